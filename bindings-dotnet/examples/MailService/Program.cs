// A service sends mail from several threads while its server renews the
// certificate again and again, in place and with restarts. In the end the server
// holds one copy of each message.
using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Everpost;

namespace MailService;

internal static class Program
{
    private const int Senders = 4;
    private const int Each = 75;
    /// <summary>After so many messages the certificate is renewed, while the others go on.</summary>
    private const int PerRotation = 15;

    private static async Task<int> Main()
    {
        using var server = new RotatingServer();
        using var mailer = new Mailer(server.Url);
        int seen = 0, sent = 0, rotated = 0;
        mailer.Happened += (_, happened) =>
        {
            if (happened.Kind == MailerEventKind.Rotated) Interlocked.Increment(ref seen);
        };
        var service = new MailService(mailer);

        Task<List<Receipt>>[] senders = Enumerable.Range(0, Senders).Select(sender => Task.Run(async () =>
        {
            var receipts = new List<Receipt>();
            for (int number = 0; number < Each; number++)
            {
                receipts.Add(await service.SendAsync("ann@example.com", $"Message {number} of {sender}", "It outlives the certificate."));
                if (Interlocked.Increment(ref sent) % PerRotation != 0) continue;
                bool restart = Interlocked.Increment(ref rotated) % 2 == 0;
                await server.AskAsync(restart ? "{\"do\":\"rotate\",\"restart\":true}" : "{\"do\":\"rotate\"}");
            }
            return receipts;
        })).ToArray();
        List<Receipt> all = (await Task.WhenAll(senders)).SelectMany(receipts => receipts).ToList();

        int wrong = 0;
        foreach (Receipt receipt in all)
        {
            int copies = await server.CopiesAsync(receipt.MessageId);
            if (copies == 1) continue;
            wrong++;
            Console.WriteLine($"{copies} copies of {receipt.MessageId}");
        }
        int certificates = all.Select(receipt => receipt.CertificateFingerprint).Distinct().Count();
        Console.WriteLine($"{all.Count} messages under {certificates} certificates, {rotated} renewals, {seen} of them noticed as such; "
            + (wrong == 0 ? "one copy each" : $"{wrong} messages lost or doubled"));
        bool proved = wrong == 0 && all.Count == Senders * Each && all.Select(receipt => receipt.MessageId).Distinct().Count() == all.Count
            && rotated == all.Count / PerRotation && certificates > 3 && seen > 0;
        return proved ? 0 : 1;
    }
}
