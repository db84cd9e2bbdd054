using System;
using System.Collections.Concurrent;
using System.Threading;

namespace Everpost.Interop;

/// <summary>What is left to do when an operation has ended: to end its task, and to run what waits for it.</summary>
internal interface ICompletion
{
    void Complete();
}

/// <summary>
/// Takes the ends of operations from the library's threads to the thread pool.
/// </summary>
/// <remarks>
/// Those that come together wake the pool once: a change of threads for each
/// message would cost more than all the rest of this assembly. Every item of work
/// completes one operation, after it has handed the rest on, so that none waits
/// for what the application does in another's continuation.
/// Invariant: while anything is queued, one item of work is on its way, which
/// <see cref="asked"/> says, or has just begun and looks.
/// </remarks>
internal static class Completions
{
    private static readonly ConcurrentQueue<ICompletion> Queue = new();
    private static int asked;

    /// <summary>Whether the library, or the pool, is still to call for one.</summary>
    internal static bool AreDue => Volatile.Read(ref asked) != 0;

    /// <summary>Completes an operation on the pool, soon. From a callback of the library.</summary>
    internal static void Add(ICompletion completion)
    {
        Queue.Enqueue(completion);
        // When the others have come that are ready now.
        if (Ask()) NativeMethods.everpost_defer(Callbacks.Deferred, IntPtr.Zero);
    }

    /// <summary>Hands what has been queued to the pool.</summary>
#if NETCOREAPP3_0_OR_GREATER
    internal static void HandOver() => ThreadPool.UnsafeQueueUserWorkItem(Item.Only, preferLocal: false);

    private sealed class Item : IThreadPoolWorkItem
    {
        internal static readonly Item Only = new();

        void IThreadPoolWorkItem.Execute() => Next();
    }
#else
    internal static void HandOver() => ThreadPool.UnsafeQueueUserWorkItem(Item, null);

    private static readonly WaitCallback Item = _ => Next();
#endif

    private static bool Ask() => Interlocked.Exchange(ref asked, 1) == 0;

    private static void Next()
    {
        Interlocked.Exchange(ref asked, 0);
        if (!Queue.TryDequeue(out ICompletion? completion)) return;
        if (!Queue.IsEmpty && Ask()) HandOver();
        completion.Complete();
    }
}
