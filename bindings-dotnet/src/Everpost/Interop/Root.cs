using System;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Threading;

namespace Everpost.Interop;

/// <summary>
/// An object that the library holds as <c>user_data</c>. It is kept alive from
/// <see cref="Plant"/> until the one callback that ends it, which calls
/// <see cref="Take{T}"/>; nothing else lets go of it.
/// </summary>
internal abstract class Root
{
    private static readonly ConcurrentDictionary<Root, bool> All = new();
    private static volatile bool unloading;
    private GCHandle handle;

    static Root()
    {
        // A callback must not find its code gone: let all of them come before.
        AppDomain.CurrentDomain.DomainUnload += (_, _) =>
        {
            unloading = true;
            Settle(TimeSpan.FromSeconds(5));
        };
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Settle(TimeSpan.FromSeconds(2));
    }

    /// <summary>How many are held by the library now.</summary>
    internal static int Count => All.Count;

    /// <summary>The <c>user_data</c> for a call that will end in a callback.</summary>
    internal IntPtr Plant()
    {
        handle = GCHandle.Alloc(this);
        All[this] = true;
        if (!unloading) return GCHandle.ToIntPtr(handle);
        Pull();
        throw new AppDomainUnloadedException("the application domain is being unloaded");
    }

    /// <summary>The object behind <c>user_data</c>, which stays planted.</summary>
    internal static T Peek<T>(IntPtr userData) where T : Root => (T)GCHandle.FromIntPtr(userData).Target!;

    /// <summary>The object behind <c>user_data</c>, for the last callback.</summary>
    internal static T Take<T>(IntPtr userData) where T : Root
    {
        var root = Peek<T>(userData);
        root.Pull();
        return root;
    }

    /// <summary>Lets go where the library did not take it: no callback will come.</summary>
    internal void Pull()
    {
        handle.Free();
        All.TryRemove(this, out _);
    }

    /// <summary>Asks the library to come to the end, for instance by cancelling.</summary>
    private protected abstract void Stop();

    private static void Settle(TimeSpan patience)
    {
        var waited = Stopwatch.StartNew();
        while ((!All.IsEmpty || Completions.AreDue) && waited.Elapsed < patience)
        {
            // Again and again: a call that is just being started cannot be cancelled yet.
            foreach (Root root in All.Keys) root.Stop();
            Thread.Yield();
        }
        // Mono waits for every thread that has called back to end, before it ends a process or unloads a
        // domain; and the library's threads wait for work.
        if (Library.IsMono) NativeMethods.everpost_shutdown(2000);
    }
}
