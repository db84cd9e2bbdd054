using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using System.Threading;
using System.Threading.Tasks;

namespace Everpost.Scenarios;

/// <summary>The client under way.</summary>
internal sealed class Run : IDisposable
{
    private readonly Server server;
    private readonly MailerOptions options;
    private readonly Mailer mailer;
    private readonly Events events;
    /// <summary>The last send that failed, for its late verdict.</summary>
    private Exception? failure;

    /// <summary>Makes the client, which throws where it cannot be made.</summary>
    internal Run(Server server, MailerOptions options)
    {
        this.server = server;
        this.options = options;
        mailer = new Mailer(options);
        events = new Events(mailer);
    }

    /// <summary>The client's options as the scenario wants them.</summary>
    internal static MailerOptions Options(Server server, Fields client)
    {
        var options = new MailerOptions(server.Fill(client.Text("url")));
        if (client.Flag("trust")) options.TrustedPem.Add(Pem(server, "${ca_pem}"));
        if (client.Flag("identity")) options.ClientCertificate = CertificateFile.Parse(Pem(server, "${chain_pem}${key_pem}"));
        if (client.ObjectOrNull("tokens") is { } tokens)
        {
            var answers = new Queue<string>(tokens.List("answers").Cast<string>());
            options.TokenUser = tokens.Text("user");
            options.TokenProvider = _ =>
            {
                lock (answers) return Task.FromResult(answers.Count > 1 ? answers.Dequeue() : answers.Peek());
            };
        }
        return options;
    }

    internal async Task<Fields> Step(Fields step) => step.Text("do") switch
    {
        "send" => await Send(step),
        "send_all" => await SendAll(step),
        "server" => await server.Ask(step["request"]),
        "event" => await Event(step.Text("event")),
        "late_verdict" => await LateVerdict(),
        "verify" => await Verify(),
        "health" => new Fields { ["status"] = Outcome.Name(mailer.GetHealth().Status) },
        "stats" => Count(),
        "explain" => await Explain(step.TextOrNull("file")),
        "probe" => await Look(server.Fill(step.Text("target"))),
        "diagnose" => await Climb(step),
        "close" => await Close(),
        string other => throw new NotSupportedException($"a step to {other}"),
    };

    internal async Task<Fields> Close()
    {
        await mailer.CloseAsync();
        return new Fields();
    }

    public void Dispose()
    {
        mailer.Dispose();
        options.ClientCertificate?.Dispose();
    }

    private async Task<Fields> Send(Fields step)
    {
        using var cancellation = new CancellationTokenSource();
        Task<Fields>[] sends = Messages(step).Select(message => Send(message, cancellation.Token)).ToArray();
        foreach (object? request in step.List("meanwhile")) await server.Must(request);
        if (step.Flag("cancel")) cancellation.Cancel();
        return new Fields { ["outcomes"] = await Task.WhenAll(sends) };
    }

    private async Task<Fields> Send(RawMessage message, CancellationToken cancellation)
    {
        try
        {
            return Outcome.Of(await mailer.SendAsync(message.Content, message.Envelope, cancellation));
        }
        catch (Exception error) when (error is IEverpostException or OperationCanceledException)
        {
            failure = error;
            return Outcome.Of(error);
        }
    }

    private async Task<Fields> SendAll(Fields step)
    {
        IReadOnlyList<SendResult> results = await mailer.SendAllAsync(Messages(step));
        failure = results.LastOrDefault(result => result.Error is not null)?.Error ?? failure;
        return new Fields
        {
            ["outcomes"] = results.Select(result => result.Receipt is { } receipt ? Outcome.Of(receipt) : Outcome.Of(result.Error!)).ToList(),
        };
    }

    private async Task<Fields> Event(string name)
    {
        await events.Until(name);
        return new Fields { ["event"] = name };
    }

    private async Task<Fields> LateVerdict()
    {
        var unknown = (EverpostDeliveryUnknownException)failure!;
        Delivery? verdict = await unknown.LateVerdictAsync(TimeSpan.FromSeconds(30));
        return verdict is { } delivery
            ? new Fields { ["delivery"] = Outcome.Name(delivery), ["message_id"] = unknown.MessageId }
            : new Fields { ["delivery"] = null };
    }

    private async Task<Fields> Verify()
    {
        try
        {
            Capabilities capabilities = await mailer.VerifyAsync();
            var offered = new Fields();
            foreach (KeyValuePair<string, string> extension in capabilities.Extensions) offered[extension.Key] = extension.Value;
            return new Fields { ["delivery"] = null, ["offered"] = offered };
        }
        catch (Exception error) when (error is IEverpostException)
        {
            return Outcome.Of(error);
        }
    }

    private Fields Count()
    {
        Stats stats = mailer.GetStats();
        return new Fields
        {
            ["accepted"] = stats.Accepted,
            ["refused"] = stats.Refused,
            ["unknown"] = stats.Unknown,
            ["not_sent"] = stats.NotSent,
            ["retries"] = stats.Retries,
            ["opened"] = stats.Opened,
            ["full_handshakes"] = stats.FullHandshakes,
            ["resumed_handshakes"] = stats.ResumedHandshakes,
            ["rotations"] = stats.Rotations,
        };
    }

    private async Task<Fields> Explain(string? reference)
    {
        using CertificateFile? file = reference is null ? null : CertificateFile.Parse(Pem(server, reference));
        Report report = await mailer.ExplainAsync(file);
        var served = ((Fields)Json.Read(report.Json)!).ObjectOrNull("served");
        return new Fields { ["fault"] = report.Fault, ["remedy"] = report.Remedy, ["served"] = served?.Text("sha256") };
    }

    private async Task<Fields> Look(string target)
    {
        var looking = new ProbeOptions();
        foreach (byte[] pem in options.TrustedPem) looking.TrustedPem.Add(pem);
        Report report = await Probe.RunAsync(target, looking);
        return new Fields
        {
            ["status"] = Outcome.Name(report.Status),
            ["findings"] = report.Findings.Select(finding => (object?)finding.Id).ToList(),
        };
    }

    private async Task<Fields> Climb(Fields step)
    {
        var climbing = new DiagnoseOptions { From = step.TextOrNull("from"), Size = (long?)step["size"], Looks = false };
        foreach (object? recipient in step.List("to")) climbing.To.Add((string)recipient!);
        Report report = await Diagnose.RunAsync(options, climbing);
        Fields? cause = ((Fields)Json.Read(report.Json)!).ObjectOrNull("cause");
        return new Fields
        {
            ["holds"] = report.Fault is null,
            ["step"] = report.Fault,
            ["cause"] = cause?.Text("id"),
            ["remedy"] = report.Remedy,
        };
    }

    private static List<RawMessage> Messages(Fields step) => step.List("messages").Select(one =>
    {
        var letter = (Fields)one!;
        Envelope? envelope = null;
        if (letter.ObjectOrNull("envelope") is { } addresses)
        {
            envelope = new Envelope(addresses.Text("from"), addresses.List("to").Cast<string>().ToArray())
            {
                RequireTls = addresses.Flag("require_tls"),
            };
            if (addresses.ObjectOrNull("dsn") is { } dsn) Ask(envelope, dsn);
        }
        return new RawMessage(Encoding.UTF8.GetBytes(letter.Text("raw")), envelope);
    }).ToList();

    private static void Ask(Envelope envelope, Fields dsn)
    {
        envelope.Id = dsn.TextOrNull("envid");
        envelope.Return = dsn.TextOrNull("return") switch
        {
            "full" => NotificationContent.Full,
            "hdrs" => NotificationContent.Headers,
            _ => NotificationContent.Unspecified,
        };
        if (dsn.TextOrNull("notify") is { } events)
        {
            envelope.Notify = (DeliveryNotifications)Enum.Parse(typeof(DeliveryNotifications), events, ignoreCase: true);
        }
    }

    private static byte[] Pem(Server server, string reference) => Encoding.ASCII.GetBytes(server.Fill(reference));
}
