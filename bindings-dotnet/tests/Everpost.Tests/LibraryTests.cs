using System;
using System.Collections.Concurrent;
using System.Linq;
using System.Threading.Tasks;
using Everpost.Interop;
using Xunit;

namespace Everpost.Tests;

[Collection("library")]
public sealed class LibraryTests
{
    [Fact]
    public void A_library_of_another_version_is_refused_in_plain_words()
    {
        Assert.Null(Library.Mismatch(Library.AbiVersion));
        string message = Library.Mismatch(7)!;
        Assert.Contains("ABI version 7", message);
        Assert.Contains("EVERPOST_LIBRARY", message);
    }

    [Fact]
    public async Task Log_lines_come_to_the_hook_without_secrets_and_a_hook_that_throws_harms_nobody()
    {
        using var server = new Rehearsal();
        var lines = new ConcurrentQueue<string>();
        EverpostLog.SetHook(EverpostLogLevel.Trace, (level, target, line) =>
        {
            lines.Enqueue($"{level} {target} {line}");
            throw new InvalidOperationException("a hook's mistake");
        });
        try
        {
            using Mailer mailer = server.Mailer();
            await mailer.SendAsync(Messages.Simple());
        }
        finally
        {
            EverpostLog.RemoveHook();
        }
        string all = string.Join("\n", lines);
        Assert.Contains("Debug everpost::", all);
        Assert.Contains("Trace everpost::wire", all);
        Assert.DoesNotContain("secret", all);
        Assert.DoesNotContain(Convert.ToBase64String(System.Text.Encoding.ASCII.GetBytes("\0app\0secret")), all);
        Messages.NothingIsHeld();
    }

    [Fact]
    public void Every_kind_of_error_has_its_exception()
    {
        // The library has the list; a kind that is new to us must not pass as an internal fault.
        int[] statuses = Enumerable.Range(1, 1000).Where(status => NativeMethods.everpost_status_name(status).OrNull is not null).ToArray();
        Assert.True(statuses.Length >= 15, "no statuses");
        foreach (int status in statuses)
        {
            string name = NativeMethods.everpost_status_name(status).Text;
            bool ofArguments = status is 20 or 21 or 22; // Of the kind invalid_config.
            bool known = EverpostError.ParseKind(name) != EverpostErrorKind.Internal;
            Assert.True(known || ofArguments || name == "internal", $"{status} {name}");
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_panic_in_the_library_is_an_internal_exception_and_harms_nobody(int place)
    {
        using var server = new Rehearsal();
        var error = await Assert.ThrowsAsync<EverpostInternalException>(() => new Operation<bool>().RunAsync(
            (IntPtr userData, out IntPtr failure) => Rehearsal.everpost_fault_panic(place, Callbacks.Close, userData, out failure), default));
        Assert.Equal(EverpostErrorKind.Internal, error.Kind);
        using (Mailer mailer = server.Mailer()) await mailer.SendAsync(Messages.Simple());
        Messages.NothingIsHeld();
    }

    [Fact]
    public void Text_that_is_no_unicode_is_refused()
    {
        Assert.True(Assert.ThrowsAnyAsync<ArgumentException>(() => { new Utf8("\uD800"); return Task.CompletedTask; }).Wait(1000));
        Assert.Equal("", System.Text.Encoding.UTF8.GetString(new Utf8("").Bytes).TrimEnd('\0'));
    }
}
