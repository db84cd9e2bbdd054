using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Threading;

namespace Everpost.Interop;

/// <summary>
/// An object that the library holds as <c>user_data</c>. It is kept alive from
/// <see cref="Plant"/> until the one callback that ends it, which calls
/// <see cref="Take{T}"/>; nothing else lets go of it.
/// </summary>
/// <remarks>
/// The library is given the number of a place in a table: that costs a message
/// less than a <see cref="System.Runtime.InteropServices.GCHandle"/> and a list of
/// who has one. Invariant: who is in a place stays there until it is pulled, also
/// when the table has grown.
/// </remarks>
internal abstract class Root
{
    private static readonly Stack<int> Free = new();
    private static volatile Root?[] places = Array.Empty<Root?>();
    private static bool unloading;
    private int place;

    static Root()
    {
        // A callback must not find its code gone: let all of them come before.
        AppDomain.CurrentDomain.DomainUnload += (_, _) =>
        {
            lock (Free) unloading = true;
            Settle(TimeSpan.FromSeconds(5));
        };
        AppDomain.CurrentDomain.ProcessExit += (_, _) => Settle(TimeSpan.FromSeconds(2));
    }

    /// <summary>How many are held by the library now.</summary>
    internal static int Count
    {
        get
        {
            lock (Free) return places.Length - Free.Count;
        }
    }

    /// <summary>The <c>user_data</c> for a call that will end in a callback.</summary>
    internal IntPtr Plant()
    {
        lock (Free)
        {
            if (unloading) throw new AppDomainUnloadedException("the application domain is being unloaded");
            if (Free.Count == 0) Grow();
            place = Free.Pop();
            places[place] = this;
        }
        return (IntPtr)place;
    }

    /// <summary>The object behind <c>user_data</c>, which stays planted.</summary>
    internal static T Peek<T>(IntPtr userData) where T : Root => (T)places[(int)userData]!;

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
        lock (Free)
        {
            places[place] = null;
            Free.Push(place);
        }
    }

    /// <summary>Asks the library to come to the end, for instance by cancelling.</summary>
    private protected abstract void Stop();

    private static void Grow()
    {
        int before = places.Length;
        var grown = new Root?[Math.Max(16, 2 * before)];
        places.CopyTo(grown, 0);
        places = grown;
        for (int free = grown.Length - 1; free >= before; free--) Free.Push(free);
    }

    private static void Settle(TimeSpan patience)
    {
        var waited = Stopwatch.StartNew();
        while (Count > 0 && waited.Elapsed < patience)
        {
            // Again and again: a call that is just being started cannot be cancelled yet.
            foreach (Root? root in places) root?.Stop();
            Thread.Yield();
        }
        // Mono waits for every thread that has called back to end, before it ends a process or unloads a
        // domain; and the library's threads wait for work.
        if (Library.IsMono) NativeMethods.everpost_shutdown(2000);
    }
}
