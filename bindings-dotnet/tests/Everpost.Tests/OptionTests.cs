using System;
using System.Collections.Generic;
using System.Linq;
using System.Reflection;
using System.Threading.Tasks;
using Everpost.Interop;
using Xunit;

namespace Everpost.Tests;

[Collection("library")]
public sealed class OptionTests
{
    private delegate int Setter(byte[] key, UIntPtr keyLength, byte[] value, UIntPtr valueLength, out ErrorHandle error);

    [Fact]
    public void Every_option_of_a_mailer_that_the_library_has_is_a_property()
    {
        using ConfigHandle config = new MailerOptions("smtps://localhost").ToNative();
        string[] known = Known((byte[] key, UIntPtr keyLength, byte[] value, UIntPtr valueLength, out ErrorHandle error) =>
            NativeMethods.everpost_config_set(config, key, keyLength, value, valueLength, out error));
        Assert.Equal(known, Keys(Filled(new MailerOptions("smtps://localhost")).Settings()));
    }

    [Fact]
    public void Every_option_of_a_probe_that_the_library_has_is_a_property()
    {
        Errors.Check(NativeMethods.everpost_probe_new(out ProbeHandle probe, out ErrorHandle failure), failure);
        using (probe)
        {
            string[] known = Known((byte[] key, UIntPtr keyLength, byte[] value, UIntPtr valueLength, out ErrorHandle error) =>
                NativeMethods.everpost_probe_set(probe, key, keyLength, value, valueLength, out error));
            // A file to compare with is a CertificateFile, which was opened already.
            Assert.Equal(
                known.Except(new[] { "compare", "compare_password" }), Keys(Filled(new ProbeOptions()).Settings()));
        }
    }

    [Fact]
    public void Every_option_of_a_diagnosis_that_the_library_has_is_a_property()
    {
        using ConfigHandle config = new MailerOptions("smtps://localhost").ToNative();
        Errors.Check(NativeMethods.everpost_diagnosis_new(config, out DiagnosisHandle diagnosis, out ErrorHandle failure), failure);
        using (diagnosis)
        {
            string[] known = Known((byte[] key, UIntPtr keyLength, byte[] value, UIntPtr valueLength, out ErrorHandle error) =>
                NativeMethods.everpost_diagnosis_set(diagnosis, key, keyLength, value, valueLength, out error));
            Assert.Equal(known, Keys(Filled(new DiagnoseOptions()).Settings()));
        }
    }

    [Theory]
    [InlineData(TlsMode.Implicit, "smtp")]
    [InlineData(TlsMode.StartTls, "smtps")]
    [InlineData(TlsMode.Opportunistic, "smtps")]
    [InlineData(TlsMode.None, "smtps")]
    public async Task The_mode_of_TLS_rules_over_the_beginning_of_the_URL(TlsMode mode, string scheme)
    {
        using var server = new Rehearsal();
        int port = mode switch
        {
            TlsMode.Implicit => server.ImplicitPort,
            TlsMode.None => server.PlainPort,
            _ => server.StartTlsPort,
        };
        var options = new MailerOptions(FormattableString.Invariant($"{scheme}://app:secret@localhost:{port}"))
        {
            Tls = mode,
            TrustedPem = { server.CaPem },
            AllowPlaintextAuth = mode == TlsMode.None,
        };
        using var mailer = new Mailer(options);
        Receipt receipt = await mailer.SendAsync(Messages.Simple());
        Assert.Equal(mode == TlsMode.None, receipt.CertificateFingerprint is null);
    }

    [Fact]
    public async Task One_token_logs_in()
    {
        using var server = new Rehearsal();
        MailerOptions options = WithoutUser(server);
        options.TokenUser = "robot";
        options.Token = "secret";
        using (var mailer = new Mailer(options)) await mailer.SendAsync(Messages.Simple());
        options.Token = "another";
        options.MaxAttempts = 1;
        using (var mailer = new Mailer(options))
            await Assert.ThrowsAsync<EverpostAuthenticationException>(() => mailer.SendAsync(Messages.Simple()));
        options.TokenProvider = _ => Task.FromResult("secret");
        Assert.Throws<ArgumentException>(() => new Mailer(options));
        options.TokenProvider = null;
        options.TokenUser = null;
        Assert.Throws<ArgumentException>(() => new Mailer(options));
        Messages.NothingIsHeld();
    }

    [Fact]
    public async Task A_probe_warns_by_its_thresholds_and_looks_for_fingerprints()
    {
        using var server = new Rehearsal();
        string target = FormattableString.Invariant($"smtps://localhost:{server.ImplicitPort}");
        // The certificates of the rehearsal end in 90 days.
        Report usual = await Probe.RunAsync(target, new ProbeOptions { TrustedPem = { server.CaPem } });
        Assert.Equal(HealthStatus.Healthy, usual.Status);
        Report warned = await Probe.RunAsync(
            target, new ProbeOptions { TrustedPem = { server.CaPem }, Warning = new Threshold(TimeSpan.FromDays(100)) });
        Assert.Equal(HealthStatus.Degraded, warned.Status);
        Report alarmed = await Probe.RunAsync(
            target, new ProbeOptions { TrustedPem = { server.CaPem }, Critical = new Threshold(TimeSpan.FromDays(100), 100) });
        Assert.Equal(HealthStatus.Unhealthy, alarmed.Status);
        Report calm = await Probe.RunAsync(
            target, new ProbeOptions { TrustedPem = { server.CaPem }, Warning = new Threshold(TimeSpan.FromDays(100), 1) });
        Assert.Equal(HealthStatus.Healthy, calm.Status);
        Report same = await Probe.RunAsync(
            target, new ProbeOptions { TrustedPem = { server.CaPem }, Fingerprints = { usual.Certificates[0].Fingerprint } });
        Assert.Equal(HealthStatus.Healthy, same.Status);
        Report other = await Probe.RunAsync(
            target, new ProbeOptions { TrustedPem = { server.CaPem }, Fingerprints = { new string('0', 64) } });
        Assert.Equal(HealthStatus.Unhealthy, other.Status);
    }

    [Fact]
    public async Task A_diagnosis_asks_about_every_recipient()
    {
        using var server = new Rehearsal();
        server.Do("\"settings\",\"set\":{\"refuse_recipients\":[{\"pattern\":\"no@*\",\"reply\":\"550 5.1.1 nobody\"}]}");
        var options = new DiagnoseOptions { From = "app@example.org", To = { "ann@example.com" }, Looks = false };
        Assert.Null((await Diagnose.RunAsync(server.Options(), options)).Fault);
        options.To.Add("no@example.com");
        Assert.NotNull((await Diagnose.RunAsync(server.Options(), options)).Fault);
    }

    private static MailerOptions WithoutUser(Rehearsal server) =>
        new(server.Url.Replace("app:secret@", "")) { TrustedPem = { server.CaPem } };

    /// <summary>The keys that the library knows: it lists them where one is not known.</summary>
    private static string[] Known(Setter set)
    {
        Utf8 key = new("none of them"), value = new("");
        int status = set(key.Bytes, key.Length, value.Bytes, value.Length, out ErrorHandle error);
        string message = Assert.Throws<EverpostConfigException>(() => Errors.Check(status, error)).Error.Message;
        const string Before = "known are ";
        int start = message.IndexOf(Before, StringComparison.Ordinal) + Before.Length;
        string[] keys = message.Substring(start).Split(';')[0].Split(new[] { ", " }, StringSplitOptions.None);
        Assert.True(keys.Length > 3, message);
        return keys.OrderBy(name => name, StringComparer.Ordinal).ToArray();
    }

    private static string[] Keys(IEnumerable<KeyValuePair<string, string>> settings) =>
        settings.Select(setting => setting.Key).OrderBy(name => name, StringComparer.Ordinal).ToArray();

    /// <summary>Options of which each is set, whatever it means.</summary>
    private static T Filled<T>(T options) where T : notnull
    {
        foreach (PropertyInfo property in typeof(T).GetProperties(BindingFlags.Instance | BindingFlags.Public))
        {
            if (property.GetValue(options) is IList<string> list) list.Add("x");
            else if (property.CanWrite && property.PropertyType == typeof(string)) property.SetValue(options, "x");
            else if (property.CanWrite && Nullable.GetUnderlyingType(property.PropertyType) is { } type)
                property.SetValue(options, Activator.CreateInstance(type));
        }
        return options;
    }
}
