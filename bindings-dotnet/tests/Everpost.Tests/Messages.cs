using System;
using System.Diagnostics;
using System.Text;
using System.Threading;
using Everpost.Interop;
using Xunit;

namespace Everpost.Tests;

/// <summary>What many tests need.</summary>
internal static class Messages
{
    internal static byte[] Simple(string text = "Hello") => Encoding.UTF8.GetBytes(
        $"From: app@example.org\r\nTo: ann@example.com\r\nSubject: Test\r\nMessage-ID: <{Guid.NewGuid():N}@example.org>\r\n\r\n{text}\r\n");

    /// <summary>Waits, without a guess at the time it takes, for what must come.</summary>
    internal static void Until(Func<bool> holds, string what)
    {
        var waited = Stopwatch.StartNew();
        while (!holds())
        {
            Assert.True(waited.Elapsed < TimeSpan.FromSeconds(20), what);
            Thread.Yield();
        }
    }

    /// <summary>Nothing of ours is held by the library any more.</summary>
    internal static void NothingIsHeld() => Until(
        () =>
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
            return Root.Count == 0;
        },
        $"{Root.Count} objects are still held by the library");
}
