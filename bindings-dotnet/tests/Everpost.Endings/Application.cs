using System;
using System.Collections.Generic;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Everpost.Endings;

/// <summary>An application in the middle of its work: all that the library can hold of it, it holds.</summary>
internal sealed class Application : MarshalByRefObject
{
    /// <summary>How many messages it begins to send.</summary>
    private const int Messages = 4;

    private readonly List<Task> sends = new();

    internal Mailer? Mailer { get; private set; }

    /// <summary>Begins to send. The server has some of the messages soon, and keeps its verdicts back.</summary>
    internal void Begin(string address, string trust)
    {
        EverpostLog.SetHook(EverpostLogLevel.Trace, (_, _, _) => { });
        // After the package's own handler: that one lets nothing begin any more.
        AppDomain.CurrentDomain.DomainUnload += (_, _) =>
        {
            Task late = Mailer!.SendAsync(Message(Messages + 1));
            if (late.Exception?.InnerException is not AppDomainUnloadedException)
                Console.WriteLine("a message was taken from a domain that is being unloaded");
        };
        Mailer = new Mailer(With($"smtps://app:secret@{address}", trust));
        Mailer.Happened += (_, _) => { };
        for (int number = 0; number < Messages; number++) sends.Add(Mailer.SendAsync(Message(number)));

        // And one that waits for a token which never comes.
        var asked = new ManualResetEventSlim();
        MailerOptions options = With($"smtps://{address}", trust);
        options.TokenUser = "robot";
        options.TokenProvider = async token =>
        {
            asked.Set();
            await Task.Delay(Timeout.Infinite, token);
            return "never";
        };
        sends.Add(new Mailer(options).SendAsync(Message(Messages)));
        asked.Wait();
    }

    private static MailerOptions With(string url, string trust) =>
        new(url) { TrustedPem = { Encoding.ASCII.GetBytes(trust) }, MaxConnections = Messages };

    private static byte[] Message(int number) => Encoding.ASCII.GetBytes(FormattableString.Invariant(
        $"From: app@example.org\r\nTo: ann@example.com\r\nMessage-ID: <{number}@example.org>\r\n\r\nHello\r\n"));
}
