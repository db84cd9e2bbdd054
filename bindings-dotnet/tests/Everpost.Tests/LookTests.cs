using System;
using System.IO;
using System.Linq;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Xunit;

namespace Everpost.Tests;

[Collection("library")]
public sealed class LookTests
{
    [Fact]
    public async Task A_probe_names_what_is_wrong_with_a_certificate()
    {
        using var server = new Rehearsal();
        string target = FormattableString.Invariant($"smtps://localhost:{server.ImplicitPort}");
        Report good = await Probe.RunAsync(target, new ProbeOptions { TrustedPem = { server.CaPem } });
        Assert.Equal(HealthStatus.Healthy, good.Status);
        Certificate leaf = good.Certificates[0];
        Assert.Contains("localhost", leaf.DnsNames);
        Assert.True(leaf.NotBefore < DateTimeOffset.UtcNow && leaf.NotAfter > DateTimeOffset.UtcNow, "not valid now");
        Assert.Equal(64, leaf.Fingerprint.Length);
        Assert.NotEmpty(leaf.ToDer());
        Assert.False(leaf.IsAuthority);

        server.Do("\"present\",\"chain\":\"expired\"");
        Report bad = await Probe.RunAsync(target, new ProbeOptions { TrustedPem = { server.CaPem } });
        Assert.Equal(HealthStatus.Unhealthy, bad.Status);
        Finding expired = bad.Findings.Single(finding => finding.Id == "expired");
        Assert.Contains("renew", expired.Remedy);
        Assert.StartsWith("{", bad.Json);
        Messages.NothingIsHeld();
    }

    [Fact]
    public async Task A_probe_takes_no_target_that_is_none()
    {
        await Assert.ThrowsAsync<EverpostConfigException>(() => Probe.RunAsync("smtps://"));
        Messages.NothingIsHeld();
    }

    [Fact]
    public async Task A_diagnosis_stops_at_the_step_that_does_not_hold()
    {
        using var server = new Rehearsal();
        MailerOptions options = server.Options();
        Report good = await Diagnose.RunAsync(options, new DiagnoseOptions { From = "app@example.org", To = { "ann@example.com" }, Size = 1000 });
        Assert.Equal(HealthStatus.Healthy, good.Status);
        Assert.Null(good.Fault);
        server.Do("\"present\",\"chain\":\"wrong_name\"");
        Report bad = await Diagnose.RunAsync(options);
        Assert.Equal(HealthStatus.Unhealthy, bad.Status);
        Assert.NotNull(bad.Fault);
        Assert.NotNull(bad.Cause);
    }

    [Fact]
    public async Task The_rungs_of_a_diagnosis_tell_how_far_it_came()
    {
        using var server = new Rehearsal();
        MailerOptions options = server.Options();
        Report good = await Diagnose.RunAsync(options);
        Assert.True(good.Rungs.All(rung => rung.Outcome != RungOutcome.Failed), "a rung failed");
        Assert.Equal("dns", good.Rungs[0].Step);
        server.Do("\"present\",\"chain\":\"wrong_name\"");
        Report bad = await Diagnose.RunAsync(options);
        Rung failed = bad.Rungs.Single(rung => rung.Outcome == RungOutcome.Failed);
        Assert.Equal(bad.Fault, failed.Step);
        Assert.NotEmpty(failed.Detail);
        Rung login = bad.Rungs[bad.Rungs.Count - 1];
        Assert.Equal("auth", login.Step);
        Assert.Equal(RungOutcome.Skipped, login.Outcome);
        Assert.True(bad.Rungs[0].Outcome == RungOutcome.Held && bad.Rungs[0].Elapsed > TimeSpan.Zero, "it took no time");
        Assert.Empty((await Probe.RunAsync(FormattableString.Invariant($"smtps://localhost:{server.ImplicitPort}"))).Rungs);
    }

    [Fact]
    public async Task An_explanation_says_whose_fault_it_is()
    {
        using var server = new Rehearsal();
        using Mailer mailer = server.Mailer();
        await mailer.SendAsync(Messages.Simple());
        server.Do("\"present\",\"chain\":\"expired\"");
        Report report = await mailer.ExplainAsync();
        Assert.Equal("certificate", report.Fault);
        Assert.Contains("expired", report.Cause);
    }

    [Fact]
    public async Task A_mailer_tells_whether_mail_could_be_sent_and_sends_none()
    {
        using var server = new Rehearsal();
        using (Mailer mailer = server.Mailer())
        {
            Capabilities offered = await mailer.VerifyAsync();
            Assert.True(offered.Extensions.ContainsKey("PIPELINING"), offered.ToString());
            Assert.Contains("SCRAM-SHA-256", offered.Extensions["AUTH"]);
            Assert.NotEmpty(offered.Domain);
            Assert.Equal(offered.Json, mailer.Verify().Json);
            Assert.Contains("\"auth_ok\":2", server.Do("\"stats\""));

            server.Do("\"present\",\"chain\":\"expired\"");
            await Assert.ThrowsAsync<EverpostCertificateException>(() => mailer.VerifyAsync());
            Assert.Throws<EverpostCertificateException>(() => mailer.Verify());
            Assert.Empty(server.Bodies());
            await mailer.CloseAsync();
            await Assert.ThrowsAsync<EverpostClosedException>(() => mailer.VerifyAsync());
        }
        Messages.NothingIsHeld();
    }

    [Fact]
    public async Task Verifying_ends_when_it_is_cancelled()
    {
        using var server = new Rehearsal();
        using Mailer mailer = server.Mailer();
        server.Inject("\"greeting\"", "\"stall\"");
        using var cancellation = new CancellationTokenSource();
        Task<Capabilities> verifying = mailer.VerifyAsync(cancellation.Token);
        server.Do("\"wait\",\"fault\":1");
        cancellation.Cancel();
        await Assert.ThrowsAsync<EverpostCanceledException>(() => verifying);
    }

    [Fact]
    public void A_certificate_file_is_read_judged_and_converted()
    {
        using var server = new Rehearsal();
        using CertificateFile file = CertificateFile.Parse(server.CaPem);
        Certificate root = Assert.Single(file.Certificates);
        Assert.True(root.IsAuthority);
        Assert.False(file.HasKey);
        Assert.Null(file.KeyMatches);
        Assert.Contains("BEGIN CERTIFICATE", file.ToPem());
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllText(path, file.ToPem());
            using CertificateFile again = CertificateFile.Load(path);
            Assert.Equal(root.Fingerprint, again.Certificates[0].Fingerprint);
            Assert.NotEqual(HealthStatus.Healthy, again.Judge("mail.example.org", trust: path).Status);
        }
        finally
        {
            File.Delete(path);
        }
        Assert.Throws<EverpostConfigException>(() => CertificateFile.Parse(Encoding.ASCII.GetBytes("no certificate")));
        file.Dispose();
        Assert.Throws<ObjectDisposedException>(() => file.ToPem());
    }
}
