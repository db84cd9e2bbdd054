using System.Collections.Concurrent;
using System.Threading;

namespace Everpost.Interop;

/// <summary>What is left to do when an operation has ended: to end its task, and to run what waits for it.</summary>
internal interface ICompletion
{
    void Complete();
}

/// <summary>
/// Takes the ends of operations from the library's threads to the thread pool,
/// which is asked once for all that come together.
/// </summary>
/// <remarks>
/// Each item of work completes one operation, after it has handed the rest on, so
/// that none waits for what the application does in another's continuation.
/// Invariant: while anything is queued, an item of work is on its way, as
/// <see cref="asked"/> says, or has just begun and will look.
/// </remarks>
internal static class Completions
{
    private static readonly ConcurrentQueue<ICompletion> Queue = new();
    private static int asked;

    /// <summary>Completes an operation on the pool, soon.</summary>
    internal static void Add(ICompletion completion)
    {
        Queue.Enqueue(completion);
        Ask();
    }

    private static void Ask()
    {
        if (Interlocked.Exchange(ref asked, 1) == 0) Start();
    }

    private static void Next()
    {
        Interlocked.Exchange(ref asked, 0);
        if (!Queue.TryDequeue(out ICompletion? completion)) return;
        if (!Queue.IsEmpty) Ask();
        completion.Complete();
    }

#if NETCOREAPP3_0_OR_GREATER
    private static void Start() => ThreadPool.UnsafeQueueUserWorkItem(Item.Only, preferLocal: false);

    private sealed class Item : IThreadPoolWorkItem
    {
        internal static readonly Item Only = new();

        void IThreadPoolWorkItem.Execute() => Next();
    }
#else
    private static readonly WaitCallback Item = _ => Next();

    private static void Start() => ThreadPool.UnsafeQueueUserWorkItem(Item, null);
#endif
}
