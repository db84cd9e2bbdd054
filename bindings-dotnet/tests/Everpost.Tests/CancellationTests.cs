using System;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Everpost.Interop;
using Xunit;

namespace Everpost.Tests;

[Collection("library")]
public sealed class CancellationTests
{
    [Fact]
    public async Task A_send_cancelled_before_it_began_does_nothing()
    {
        using var server = new Rehearsal();
        using Mailer mailer = server.Mailer();
        var error = await Assert.ThrowsAnyAsync<OperationCanceledException>(
            () => mailer.SendAsync(Messages.Simple(), null, new CancellationToken(canceled: true)));
        Assert.True(error.CancellationToken.IsCancellationRequested);
        Assert.Empty(server.Bodies());
    }

    [Fact]
    public async Task A_send_cancelled_before_its_message_is_handed_over_is_not_sent()
    {
        using var server = new Rehearsal();
        using Mailer mailer = server.Mailer();
        server.Inject("\"mail\"", "\"stall\"");
        using var source = new CancellationTokenSource();
        Task<Receipt> send = mailer.SendAsync(Messages.Simple(), null, source.Token);
        server.Do("\"wait\",\"fault\":1");
        source.Cancel();
        var error = await Assert.ThrowsAsync<EverpostCanceledException>(() => send);
        Assert.True(send.IsCanceled);
        Assert.Equal(source.Token, error.CancellationToken);
        Assert.Equal(Delivery.NotSent, error.Error.Delivery);
        Assert.Equal(EverpostErrorKind.Cancelled, error.Error.Kind);
        server.Do("\"release\"");
        await mailer.SendAsync(Messages.Simple());
        Assert.Equal(1, server.Bodies().Count);
    }

    [Fact]
    public async Task A_send_cancelled_after_the_handover_says_that_its_fate_is_unknown()
    {
        using var server = new Rehearsal();
        using Mailer mailer = server.Mailer();
        server.Inject("\"end_of_data\"", "\"stall\"");
        using var source = new CancellationTokenSource();
        Task<Receipt> send = mailer.SendAsync(Messages.Simple(), null, source.Token);
        server.Do("\"wait\",\"messages\":1");
        source.Cancel();
        var error = await Assert.ThrowsAsync<EverpostDeliveryUnknownException>(() => send);
        Assert.Equal(Delivery.Unknown, error.Delivery);
        Assert.Equal(1, server.Copies(error.MessageId!));
        Assert.True(error.HasLateVerdict);
        server.Do("\"release\"");
        Assert.Equal(Delivery.Accepted, (await error.LateVerdictAsync(TimeSpan.FromSeconds(20)))!.Value);
    }

    [Fact]
    public async Task A_token_cancelled_after_the_send_changes_nothing()
    {
        using var server = new Rehearsal();
        using (Mailer mailer = server.Mailer())
        {
            using var source = new CancellationTokenSource();
            Receipt receipt = await mailer.SendAsync(Messages.Simple(), null, source.Token);
            source.Cancel();
            Assert.Equal(1, server.Copies(receipt.MessageId));
        }
        Messages.NothingIsHeld();
    }

    [Fact]
    public async Task Sends_cancelled_at_any_moment_each_end_once_and_truthfully()
    {
        using var server = new Rehearsal();
        using (Mailer mailer = server.Mailer())
        {
            var random = new Random(7);
            Task[] sends = Enumerable.Range(0, 100).Select(async _ =>
            {
                using var source = new CancellationTokenSource(random.Next(0, 30));
                try
                {
                    Receipt receipt = await mailer.SendAsync(Messages.Simple(), null, source.Token);
                    Assert.Equal(1, server.Copies(receipt.MessageId));
                }
                catch (EverpostCanceledException error)
                {
                    if (error.Error.MessageId is { } id) Assert.Equal(0, server.Copies(id));
                }
                catch (OperationCanceledException)
                {
                    // Before it began.
                }
                catch (EverpostDeliveryUnknownException)
                {
                    // Just so.
                }
            }).ToArray();
            await Task.WhenAll(sends);
        }
        Messages.NothingIsHeld();
    }
}
