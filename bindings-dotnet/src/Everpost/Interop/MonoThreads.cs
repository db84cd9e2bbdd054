using System;
using System.Runtime.InteropServices;
using System.Text;
using System.Threading;

namespace Everpost.Interop;

/// <summary>
/// Mono takes a thread of the library, once it has called back, for one that the
/// application started, and waits for its end before it lets the process end.
/// </summary>
internal static class MonoThreads
{
#if NETCOREAPP3_0_OR_GREATER
    internal static void Settle() { }
#else
    private static readonly bool IsMono = Type.GetType("Mono.Runtime") is not null;

    [ThreadStatic]
    private static bool settled;

    /// <summary>Called in every callback: tells Mono not to wait for this thread if it is one of the library's.</summary>
    internal static void Settle()
    {
        if (settled || !IsMono) return;
        settled = true;
        // Callbacks also come on threads of the application, which stay what they are.
        var name = new byte[32];
        if (Name(Self(), name, (UIntPtr)(uint)name.Length) != 0) return;
        if (Encoding.ASCII.GetString(name).StartsWith("everpost", StringComparison.Ordinal)) Thread.CurrentThread.IsBackground = true;
    }

    [DllImport("libc", EntryPoint = "pthread_self", CallingConvention = CallingConvention.Cdecl)]
    private static extern IntPtr Self();

    [DllImport("libc", EntryPoint = "pthread_getname_np", CallingConvention = CallingConvention.Cdecl)]
    private static extern int Name(IntPtr thread, byte[] name, UIntPtr length);
#endif
}
