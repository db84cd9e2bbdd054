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

    /// <summary>The counters as JSON.</summary>
    public string Json { get; }

    /// <summary>The counters in the text format of Prometheus.</summary>
    public string Prometheus { get; }

    /// <summary>The counters by their Prometheus names, labels included: <c>name{label="value"}</c>.</summary>
    public IReadOnlyDictionary<string, double> Values { get; }

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
