using System;
using System.Collections.Generic;
using System.Globalization;

namespace Everpost;

/// <summary>How a mailer or a server does.</summary>
public enum HealthStatus
{
    /// <summary>All is well.</summary>
    Healthy = 0,

    /// <summary>It works, and something needs attention soon, such as a certificate near its end.</summary>
    Degraded = 1,

    /// <summary>It does not work.</summary>
    Unhealthy = 2,

    /// <summary>It could not be found out.</summary>
    Unknown = 3,
}

/// <summary>The health of a mailer at one moment. Immutable.</summary>
public sealed class Health
{
    internal Health(HealthStatus status, string json)
    {
        Status = status;
        Json = json;
    }

    /// <summary>How it does.</summary>
    public HealthStatus Status { get; }

    /// <summary>The whole answer as JSON, with the error behind it.</summary>
    public string Json { get; }
}

/// <summary>The counters of a mailer at one moment. Immutable.</summary>
public sealed class Stats
{
    internal Stats(string json, string prometheus)
    {
        Json = json;
        Prometheus = prometheus;
        Values = Parse(prometheus);
    }

    /// <summary>Messages that the server took.</summary>
    public long Accepted => Count("everpost_messages_total", "delivery", "accepted");

    /// <summary>Messages that the server refused.</summary>
    public long Refused => Count("everpost_messages_total", "delivery", "refused");

    /// <summary>Messages that were handed over, without a verdict.</summary>
    public long Unknown => Count("everpost_messages_total", "delivery", "unknown");

    /// <summary>Messages that were not sent.</summary>
    public long NotSent => Count("everpost_messages_total", "delivery", "not_sent");

    /// <summary>Verdicts that came after their sender had stopped waiting.</summary>
    public long LateVerdicts => Count("everpost_late_verdicts_total");

    /// <summary>Attempts beyond the first of a message.</summary>
    public long Retries => Count("everpost_retries_total");

    /// <summary>Connections that were opened.</summary>
    public long Opened => Count("everpost_sessions_opened_total");

    /// <summary>Connections that could not be opened.</summary>
    public long OpenFailures => Count("everpost_session_failures_total");

    /// <summary>TLS handshakes in which the server showed its certificate.</summary>
    public long FullHandshakes => Count("everpost_handshakes_total", "kind", "full");

    /// <summary>TLS handshakes that resumed an earlier session.</summary>
    public long ResumedHandshakes => Count("everpost_handshakes_total", "kind", "resumed");

    /// <summary>Renewals of the certificate that were seen.</summary>
    public long Rotations => Count("everpost_rotations_total");

    /// <summary>Connections that wait for a message now.</summary>
    public long Idle => Count("everpost_connections", "state", "idle");

    /// <summary>Connections that have a message now.</summary>
    public long Busy => Count("everpost_connections", "state", "busy");

    /// <summary>Messages that wait for a connection now.</summary>
    public long Queued => Count("everpost_queued_messages");

    /// <summary>The counters as JSON.</summary>
    public string Json { get; }

    /// <summary>The counters in the text format of Prometheus.</summary>
    public string Prometheus { get; }

    /// <summary>The counters by their Prometheus names, labels included: <c>name{label="value"}</c>.</summary>
    public IReadOnlyDictionary<string, double> Values { get; }

    /// <summary>One counter; the server stands before its label, and no value can end as a label does.</summary>
    private long Count(string name, string? label = null, string? value = null)
    {
        string end = label is null ? "}" : $",{label}=\"{value}\"}}";
        foreach (KeyValuePair<string, double> counter in Values)
        {
            if (counter.Key.StartsWith(name + "{", StringComparison.Ordinal) && counter.Key.EndsWith(end, StringComparison.Ordinal))
                return (long)counter.Value;
        }
        throw new KeyNotFoundException($"the library has no counter {name}");
    }

    private static Dictionary<string, double> Parse(string text)
    {
        var values = new Dictionary<string, double>(StringComparer.Ordinal);
        foreach (string line in text.Split('\n'))
        {
            // "name{labels} value"; comments begin with "#".
            int space = line.LastIndexOf(' ');
            if (space <= 0 || line[0] == '#') continue;
            if (double.TryParse(line.Substring(space + 1), NumberStyles.Float, CultureInfo.InvariantCulture, out double value))
                values[line.Substring(0, space)] = value;
        }
        return values;
    }
}
