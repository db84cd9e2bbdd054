using System;
using System.Threading;
using System.Threading.Tasks;
using Xunit;

namespace Everpost.Tests;

[Collection("library")]
public sealed class TokenTests
{
    [Fact]
    public async Task A_token_provider_logs_in_and_is_let_go_with_the_mailer()
    {
        using var server = new Rehearsal();
        var ended = new TaskCompletionSource<bool>();
        int asked = 0;
        using (Mailer mailer = With(server, async token =>
        {
            if (Interlocked.Increment(ref asked) == 1) token.Register(() => ended.TrySetResult(true));
            await Task.Yield();
            return "secret";
        }))
        {
            await mailer.SendAsync(Messages.Simple());
        }
        Assert.Equal(1, asked);
        Assert.True(await ended.Task);
        Messages.NothingIsHeld();
    }

    [Fact]
    public async Task A_token_provider_that_throws_fails_the_login_with_its_reason()
    {
        using var server = new Rehearsal();
        using (Mailer mailer = With(server, _ => throw new InvalidOperationException("the vault is closed")))
        {
            var error = await Assert.ThrowsAsync<EverpostAuthenticationException>(() => mailer.SendAsync(Messages.Simple()));
            Assert.Contains("the vault is closed", error.Report);
            Assert.Equal(Delivery.NotSent, error.Delivery);
        }
        using (Mailer mailer = With(server, async _ =>
        {
            await Task.Yield();
            return null!;
        }))
        {
            await Assert.ThrowsAsync<EverpostAuthenticationException>(() => mailer.SendAsync(Messages.Simple()));
        }
        Messages.NothingIsHeld();
    }

    [Fact]
    public async Task A_token_provider_that_throws_when_it_is_let_go_harms_nobody()
    {
        using var server = new Rehearsal();
        var ended = new TaskCompletionSource<bool>();
        var told = new TaskCompletionSource<bool>();
        EverpostLog.SetHook(EverpostLogLevel.Error, (_, _, line) =>
        {
            if (line.Contains("the vault is closed")) told.TrySetResult(true);
        });
        try
        {
            using (Mailer mailer = With(server, token =>
            {
                token.Register(() =>
                {
                    ended.TrySetResult(true);
                    throw new InvalidOperationException("the vault is closed");
                });
                return Task.FromResult("secret");
            }))
            {
                await mailer.SendAsync(Messages.Simple());
            }
            await ended.Task;
            await told.Task;
        }
        finally
        {
            EverpostLog.RemoveHook();
        }
        Messages.NothingIsHeld();
    }

    [Fact]
    public void A_token_provider_needs_its_user()
    {
        Assert.Throws<ArgumentException>(() => new Mailer(new MailerOptions("smtps://localhost") { TokenProvider = _ => Task.FromResult("t") }));
        Messages.NothingIsHeld();
    }

    private static Mailer With(Rehearsal server, Func<CancellationToken, Task<string>> provider) =>
        new(new MailerOptions(server.Url.Replace("app:secret@", ""))
        {
            TrustedPem = { server.CaPem },
            TokenUser = "robot",
            TokenProvider = provider,
            MaxAttempts = 1,
        });
}
