using System;
using System.Collections.Generic;
using System.Net.Mail;
using System.Threading;
using System.Threading.Tasks;
using Everpost;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.Logging;

namespace Guide;

/// <summary>What the snippets of the documentation take for granted.</summary>
internal static class Given
{
    internal static readonly Mailer mailer = new("smtps://localhost");
    internal static readonly MailMessage message = new("app@example.org", "ann@example.com");
    internal static readonly MailerOptions options = new("smtps://localhost");
    internal static readonly Queue<MailMessage> queue = new();
    internal static readonly MailMessage[] newsletter = Array.Empty<MailMessage>();
    internal static readonly Credential credential = new();
    internal static readonly CancellationToken cancellation = default;
    internal static readonly ILogger log = new Logger();
    internal static readonly WebApplicationBuilder builder = new();

    /// <summary>Nothing runs: what matters is that all of it compiles.</summary>
    private static void Main() { }

    private sealed class Logger : ILogger { }

    /// <summary>Of a library for OAuth.</summary>
    internal sealed class Credential
    {
        internal Task<AccessToken> GetTokenAsync(CancellationToken cancellation) => Task.FromResult(new AccessToken());
    }

    internal sealed class AccessToken
    {
        internal string Token => "";
    }
}
