using System.Net.Mail;
using System.Threading;
using System.Threading.Tasks;
using Everpost;

namespace MailService;

/// <summary>
/// The application's service for mail, one for its whole life. Around another client it would have a lock, a
/// <c>catch</c> that reconnects, and a guess at what may be sent again.
/// </summary>
public sealed class MailService
{
    private readonly Mailer mailer;

    public MailService(Mailer mailer) => this.mailer = mailer;

    public async Task<Receipt> SendAsync(string to, string subject, string text, CancellationToken cancellation = default)
    {
        using var message = new MailMessage("app@example.org", to, subject, text);
        return await mailer.SendAsync(message, cancellation);
    }
}
