using System;
using System.Globalization;
using System.Linq;
using System.Threading;
using Everpost.Mail;
using Xunit;

namespace Everpost.Tests;

[Collection("library")]
public sealed class CultureTests
{
    [Fact]
    public void Options_dates_and_counters_read_the_same_in_every_culture()
    {
        CultureInfo before = Thread.CurrentThread.CurrentCulture;
        try
        {
            Thread.CurrentThread.CurrentCulture = Strange();
            var options = new MailerOptions("smtps://localhost")
            {
                ConnectTimeout = TimeSpan.FromSeconds(1234.5),
                MaxConnections = 12345,
                MaxMessageSize = 1_234_567,
                Rate = new RateLimit(1000, TimeSpan.FromMilliseconds(0.5)),
                Pipelining = true,
                OnUnknown = UnknownDelivery.Resend,
                AuthMechanisms = { "PLAIN", "LOGIN" },
            };
            Assert.Equal(
                new[] { "auth=PLAIN,LOGIN", "connect_timeout=1234500ms", "max_connections=12345", "max_message_size=1234567", "on_unknown=resend", "pipelining=true", "rate=1000/1ms" },
                options.Settings().Select(setting => $"{setting.Key}={setting.Value}").OrderBy(setting => setting, StringComparer.Ordinal));
            new Mailer(options).Dispose();
            Assert.Equal("Thu, 01 Oct 2026 13:05:09 -0330", MailMessageConverter.Date(new DateTimeOffset(2026, 10, 1, 13, 5, 9, TimeSpan.FromHours(-3.5))));
            Assert.Equal(1.5, new Stats("{}", "# HELP x\nx_seconds 1.5\n").Values["x_seconds"]);
            Assert.Equal("550 5.1.1 no / body", new Reply(550, "5.1.1", "no\nbody").ToString());
        }
        finally
        {
            Thread.CurrentThread.CurrentCulture = before;
        }
    }

    /// <summary>A culture that writes numbers, dates and signs as none of ours does.</summary>
    private static CultureInfo Strange()
    {
        var culture = (CultureInfo)CultureInfo.InvariantCulture.Clone();
        culture.NumberFormat.NumberDecimalSeparator = ",";
        culture.NumberFormat.NumberGroupSeparator = ".";
        culture.NumberFormat.NegativeSign = "~";
        culture.NumberFormat.PositiveSign = "!";
        culture.DateTimeFormat.TimeSeparator = ".";
        culture.DateTimeFormat.AbbreviatedDayNames = new[] { "s", "m", "d", "m", "d", "f", "s" };
        culture.DateTimeFormat.AbbreviatedMonthNames = Enumerable.Range(1, 13).Select(month => "m" + month).ToArray();
        return culture;
    }
}
