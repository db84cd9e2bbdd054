using System;
using System.Collections.Concurrent;
using System.IO;
using System.Linq;
using System.Net.Mail;
using System.Runtime.CompilerServices;
using System.Text;
using System.Threading;
using System.Threading.Tasks;
using Everpost.Interop;
using Xunit;

namespace Everpost.Tests;

[Collection("library")]
public sealed class MailerTests
{
    [Fact]
    public async Task Mail_flows_through_rotations_and_arrives_once()
    {
        using var server = new Rehearsal();
        using Mailer mailer = server.Mailer();
        string? before = null;
        for (int rotation = 0; rotation < 4; rotation++)
        {
            Receipt receipt = await mailer.SendAsync(Messages.Simple());
            Assert.Equal(1, server.Copies(receipt.MessageId));
            Assert.Equal(250, receipt.Reply.Code);
            Assert.Equal("ann@example.com", Assert.Single(receipt.Accepted));
            Assert.Empty(receipt.Rejected);
            Assert.NotEqual(before, receipt.CertificateFingerprint);
            before = receipt.CertificateFingerprint;
            server.Do("\"rotate\",\"restart\":true,\"goodbye\":\"rst\"");
        }
    }

    [Fact]
    public async Task A_receipt_outlives_its_mailer_and_tells_its_json_when_it_is_asked()
    {
        using var server = new Rehearsal();
        Receipt blocking, awaited, batched;
        using (Mailer mailer = server.Mailer())
        {
            blocking = mailer.Send(Messages.Simple());
            awaited = await mailer.SendAsync(Messages.Simple());
            using var message = new MailMessage("app@example.org", "ann@example.com", "One of one", "Body");
            batched = Assert.Single(await mailer.SendAllAsync(new[] { message })).Receipt!;
        }
        GC.Collect();
        GC.WaitForPendingFinalizers();
        foreach (Receipt receipt in new[] { blocking, awaited, batched })
        {
            Assert.Contains(receipt.MessageId, receipt.Json);
            Assert.Contains("everpost.receipt/1", receipt.Json);
        }
    }

    [Fact]
    public void The_json_of_a_receipt_is_what_the_library_would_have_written()
    {
        using var server = new Rehearsal();
        using ConfigHandle config = server.Options().ToNative();
        Errors.Check(NativeMethods.everpost_mailer_new(config, out MailerHandle mailer, out ErrorHandle error), error);
        Errors.Check(NativeMethods.everpost_compose_new(out IntPtr compose, out error), error);
        var fields = new[] { ("from", "app@example.org"), ("to", "ann@example.com"), ("to", "bob@example.com"), ("text", "Text") };
        foreach ((string field, string value) in fields)
        {
            var (key, text) = (new Utf8(field), new Utf8(value));
            Errors.Check(NativeMethods.everpost_compose_set(compose, key.Bytes, key.Length, text.Bytes, text.Length, out error), error);
        }
        Errors.Check(NativeMethods.everpost_compose_build(compose, out MessageHandle message, out error), error);
        NativeMethods.everpost_compose_free(compose);
        using (mailer)
        using (message)
        {
            Assert.Equal(0, NativeMethods.everpost_mailer_send(mailer, message, out IntPtr receipt, out _));
            string written = NativeMethods.everpost_receipt_json(receipt).Text;
            Assert.Contains("[\"ann@example.com\",\"bob@example.com\"]", written);
            Assert.Equal(written, Receipt.Take(receipt).Json);
        }
    }

    [Fact]
    public void Json_escapes_what_must_be_escaped_and_nothing_else()
    {
        string written = new JsonText().String("a\"b\\c/\b\f\n\r\t\u0001\u001f\u007f ümläut \u2028").ToString();
        Assert.Equal("\"a\\\"b\\\\c/\\b\\f\\n\\r\\t\\u0001\\u001f\u007f ümläut \u2028\"", written);
        Assert.Equal("[\"1\",\"2\"]", new JsonText().List(new[] { "1", "2" }).ToString());
        Assert.Equal("[]", new JsonText().List(Array.Empty<string>()).ToString());
        Assert.Equal("null", new JsonText().String(null).ToString());
    }

    [Fact]
    public async Task A_continuation_that_holds_its_thread_holds_up_no_other_send()
    {
        using var server = new Rehearsal();
        using (Mailer mailer = server.Mailer())
        {
            using var done = new CountdownEvent(4);
            Task[] sends = Enumerable.Range(0, done.InitialCount).Select(async _ =>
            {
                await mailer.SendAsync(Messages.Simple()).ConfigureAwait(false);
                // The last one frees all: each must get as far as this.
                done.Signal();
                Assert.True(done.Wait(TimeSpan.FromSeconds(60)), "some wait behind others");
            }).ToArray();
            await Task.WhenAll(sends);
        }
        Messages.NothingIsHeld();
    }

    [Fact]
    public async Task A_continuation_runs_on_the_pool_and_may_wait_for_another_send()
    {
        using var server = new Rehearsal();
        using Mailer mailer = server.Mailer();
        await mailer.SendAsync(Messages.Simple()).ConfigureAwait(false);
        Assert.True(Thread.CurrentThread.IsThreadPoolThread, "it is a thread of the library");
        // On one of the library's this would be refused.
        mailer.Send(Messages.Simple());
        Assert.Equal(2, server.Bodies().Count);
    }

    [Fact]
    public async Task A_message_comes_from_bytes_memory_a_stream_or_a_file()
    {
        using var server = new Rehearsal();
        using Mailer mailer = server.Mailer();
        byte[] bytes = Messages.Simple("the very same");
        var envelope = new Envelope("bounce@example.org", "bob@example.com");
        string path = Path.GetTempFileName();
        try
        {
            File.WriteAllBytes(path, bytes);
            await mailer.SendAsync(bytes, envelope);
            await mailer.SendAsync(new ReadOnlyMemory<byte>(bytes), envelope);
            await mailer.SendAsync(new MemoryStream(bytes), envelope);
            await mailer.SendFileAsync(path, envelope);
            Receipt receipt = mailer.Send(bytes, envelope);
            Assert.Equal("bob@example.com", Assert.Single(receipt.Accepted));
        }
        finally
        {
            File.Delete(path);
        }
        Assert.Equal(5, server.Bodies().Count);
        foreach (string body in server.Bodies()) Assert.Contains("the very same", body);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task Of_a_stream_what_is_left_of_it_is_sent_and_it_stays_open(int kind)
    {
        using var server = new Rehearsal();
        using Mailer mailer = server.Mailer();
        byte[] before = Encoding.ASCII.GetBytes("not of the message"), message = Messages.Simple("what is left");
        var memory = new MemoryStream();
        memory.Write(before, 0, before.Length);
        memory.Write(message, 0, message.Length);
        using Stream stream = kind switch
        {
            0 => memory,                               // Whose buffer may be seen.
            1 => new MemoryStream(memory.ToArray()),   // Whose buffer may not.
            _ => new Forward(memory),                  // Which does not even say how long it is.
        };
        if (kind == 2) memory.Position = before.Length;
        else stream.Position = before.Length;
        Receipt receipt = await mailer.SendAsync(stream);
        Assert.Equal(1, server.Copies(receipt.MessageId));
        string body = Assert.Single(server.Bodies());
        Assert.StartsWith("From: app@example.org", body.Substring(body.IndexOf("From:", StringComparison.Ordinal)));
        Assert.DoesNotContain("not of the message", body);
        Assert.Contains("what is left", body);
        Assert.True(stream.CanRead);
        Assert.Equal(memory.Length, kind == 2 ? memory.Position : stream.Position);
        // At its end there is nothing to send.
        await Assert.ThrowsAsync<EverpostMessageException>(() => mailer.SendAsync(stream));
    }

    [Fact]
    public async Task Raw_messages_of_a_batch_go_to_their_envelopes()
    {
        using var server = new Rehearsal();
        using Mailer mailer = server.Mailer();
        var results = await mailer.SendAllAsync(new[]
        {
            new RawMessage(Messages.Simple()),
            new RawMessage(Messages.Simple(), new Envelope("bounce@example.org", "bob@example.com")),
        });
        Assert.Equal(
            new[] { "ann@example.com", "bob@example.com" }, results.Select(result => Assert.Single(result.Receipt!.Accepted)));
        await Assert.ThrowsAsync<ArgumentNullException>(() => mailer.SendAllAsync((RawMessage[])null!));
    }

    [Fact]
    public async Task Five_hundred_sends_at_once_survive_the_collector_and_leave_nothing_held()
    {
        using var server = new Rehearsal();
        using (Mailer mailer = server.Mailer())
        {
            Task<Receipt>[] sends = Enumerable.Range(0, 500).Select(index =>
            {
                if (index % 50 == 0) GC.Collect();
                return mailer.SendAsync(Messages.Simple());
            }).ToArray();
            while (!Task.WhenAll(sends).IsCompleted)
            {
                GC.Collect();
                await Task.Yield();
            }
            Receipt[] receipts = await Task.WhenAll(sends);
            Assert.Equal(500, receipts.Select(receipt => receipt.MessageId).Distinct().Count());
        }
        Assert.Equal(500, server.Bodies().Count);
        Messages.NothingIsHeld();
    }

    [Fact]
    public async Task Many_messages_each_have_their_result_in_order()
    {
        using var server = new Rehearsal();
        server.Do("\"settings\",\"set\":{\"refuse_recipients\":[{\"pattern\":\"no@*\",\"reply\":\"550 5.1.1 nobody\"}]}");
        using Mailer mailer = server.Mailer();
        var seen = new ConcurrentBag<int>();
        MailMessage[] messages = Enumerable.Range(0, 20)
            .Select(index => new MailMessage("app@example.org", index == 7 ? "no@example.com" : "ann@example.com", $"{index}", "text")).ToArray();
        var results = await mailer.SendAllAsync(messages, new Progress(result => seen.Add(result.Index)));
        Assert.Equal(Enumerable.Range(0, 20), results.Select(result => result.Index));
        Assert.Equal(Enumerable.Range(0, 20), seen.OrderBy(index => index));
        Assert.IsType<EverpostRejectedException>(results[7].Error);
        Assert.Equal(19, results.Count(result => result.Receipt is not null));
        Assert.Empty(await mailer.SendAllAsync(Array.Empty<MailMessage>()));
    }

    [Fact]
    public async Task A_mailer_disposed_during_a_send_still_ends_it()
    {
        using var server = new Rehearsal();
        server.Inject("\"end_of_data\"", "\"stall\"");
        Task<Receipt> send;
        using (Mailer mailer = server.Mailer())
        {
            send = mailer.SendAsync(Messages.Simple());
            server.Do("\"wait\",\"messages\":1");
        }
        Assert.False(send.IsCompleted);
        server.Do("\"release\"");
        Receipt receipt = await send;
        Assert.Equal(1, server.Copies(receipt.MessageId));
        Messages.NothingIsHeld();
    }

    [Fact]
    public void A_mailer_that_nobody_disposed_is_released_by_its_finalizer()
    {
        using var server = new Rehearsal();
        Forget(server);
        Messages.NothingIsHeld();
    }

    [Fact]
    public async Task A_closed_mailer_takes_no_messages_and_a_disposed_one_neither()
    {
        using var server = new Rehearsal();
        Mailer mailer = server.Mailer();
        await mailer.SendAsync(Messages.Simple());
        await mailer.CloseAsync();
        var closed = await Assert.ThrowsAsync<EverpostClosedException>(() => mailer.SendAsync(Messages.Simple()));
        Assert.Equal(EverpostErrorKind.Closed, closed.Error.Kind);
        Assert.Equal(Delivery.NotSent, closed.Error.Delivery);
        mailer.Dispose();
        mailer.Dispose();
        await Assert.ThrowsAnyAsync<ObjectDisposedException>(() => mailer.SendAsync(Messages.Simple()));
        Assert.Throws<ObjectDisposedException>(() => mailer.GetHealth());
        Messages.NothingIsHeld();
    }

    [Fact]
    public async Task Events_come_to_subscribers_and_one_that_throws_harms_nobody()
    {
        using var server = new Rehearsal();
        using Mailer mailer = server.Mailer();
        var rotated = new TaskCompletionSource<MailerEventArgs>();
        mailer.Happened += (sender, happened) =>
        {
            if (ReferenceEquals(sender, mailer) && happened.Kind == MailerEventKind.Rotated) rotated.TrySetResult(happened);
            throw new InvalidOperationException("a subscriber's mistake");
        };
        await mailer.SendAsync(Messages.Simple());
        server.Do("\"rotate\",\"restart\":true,\"goodbye\":\"rst\"");
        await mailer.SendAsync(Messages.Simple());
        MailerEventArgs seen = await rotated.Task;
        Assert.Equal("rotated", seen.Name);
        Assert.StartsWith("{", seen.Json);
        Assert.NotEqual("", seen.Message);
        await mailer.SendAsync(Messages.Simple());
    }

    [Fact]
    public async Task Health_and_counters_follow_what_happens()
    {
        using var server = new Rehearsal();
        using Mailer mailer = server.Mailer();
        await mailer.SendAsync(Messages.Simple());
        Assert.Equal(HealthStatus.Healthy, (await mailer.GetHealthAsync()).Status);
        Stats stats = mailer.GetStats();
        Assert.StartsWith("{", stats.Json);
        Assert.True(stats.Values.Any(counter => counter.Value == 1), stats.Prometheus);
        Assert.Equal(1, stats.Accepted);
        Assert.Equal(1, stats.FullHandshakes);
        Assert.Equal(1, stats.Idle + stats.Busy);
        server.Do("\"rotate\",\"chain\":\"expired\",\"restart\":true,\"goodbye\":\"rst\"");
        await Assert.ThrowsAsync<EverpostCertificateException>(() => mailer.SendAsync(Messages.Simple()));
        stats = mailer.GetStats();
        Assert.Equal(1, stats.NotSent);
        Assert.True(stats.OpenFailures > 0, stats.Prometheus);
        Assert.Equal(0, stats.Queued + stats.Refused + stats.Unknown + stats.LateVerdicts + stats.ResumedHandshakes);
        Assert.Equal(HealthStatus.Unhealthy, mailer.GetHealth().Status);
        Assert.Contains("expired", mailer.GetHealth().Json);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Forget(Rehearsal server)
    {
        // On a thread of its own: nothing of it stays on this one's stack.
        var thread = new Thread(() => server.Mailer().Send(Messages.Simple()));
        thread.Start();
        thread.Join();
        Assert.True(Root.Count > 0);
    }

    /// <summary>A stream that is read once, from here to its end, as one from the network is.</summary>
    private sealed class Forward : Stream
    {
        private readonly Stream inner;

        internal Forward(Stream inner) => this.inner = inner;

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => false;

        public override long Length => throw new NotSupportedException();

        public override long Position
        {
            get => throw new NotSupportedException();
            set => throw new NotSupportedException();
        }

        public override int Read(byte[] buffer, int offset, int count) => inner.Read(buffer, offset, count);

        public override void Flush() { }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();

        public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();
    }

    private sealed class Progress : IProgress<SendResult>
    {
        private readonly Action<SendResult> told;

        internal Progress(Action<SendResult> told) => this.told = told;

        public void Report(SendResult value) => told(value);
    }
}
