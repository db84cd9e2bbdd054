using System;
using Everpost.Interop;

namespace Everpost;

/// <summary>The native library as a whole.</summary>
public static class EverpostRuntime
{
    /// <summary>The version of the native library.</summary>
    /// <exception cref="EverpostLibraryException">The native library cannot be used.</exception>
    public static string Version
    {
        get
        {
            Library.Require();
            return NativeMethods.everpost_version().Text;
        }
    }

    /// <summary>
    /// Cancels all that is under way in the process, and ends the library's threads; a later call starts them
    /// anew. Nobody needs to call this: a process that ends does what is necessary by itself.
    /// </summary>
    /// <param name="patience">How long to wait for what is under way.</param>
    /// <returns>Whether all came to its end in time.</returns>
    /// <exception cref="ArgumentOutOfRangeException">The time is negative.</exception>
    /// <exception cref="EverpostLibraryException">The native library cannot be used.</exception>
    public static bool Shutdown(TimeSpan patience)
    {
        if (patience < TimeSpan.Zero) throw new ArgumentOutOfRangeException(nameof(patience));
        Library.Require();
        return NativeMethods.everpost_shutdown((ulong)patience.TotalMilliseconds) == 0;
    }
}
