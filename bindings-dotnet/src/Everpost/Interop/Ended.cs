using System;
using System.Threading;

namespace Everpost.Interop;

/// <summary>
/// A call that comes to its end, on its way to the pool: the library's threads have
/// other work than to run what waits for it. Calls that end together go there
/// together, so that the pool is woken once for all of them.
/// </summary>
internal abstract class Ended : Root
#if NETCOREAPP3_0_OR_GREATER
    , IThreadPoolWorkItem
#endif
{
    /// <summary>The last that has ended, and by <see cref="before"/> the others.</summary>
    private static Ended? last;
    private Ended? before;

    /// <summary>Gives all that have ended to the pool, in the order in which they did.</summary>
    internal static void Gathered()
    {
        Ended? first = null;
        for (Ended? ended = Interlocked.Exchange(ref last, null); ended is not null;)
        {
            Ended? earlier = ended.before;
            ended.before = first;
            first = ended;
            ended = earlier;
        }
        while (first is not null)
        {
            Ended ended = first;
            first = ended.before;
            ended.before = null;
            // From here on the pool holds it.
            ended.Pull();
            ended.Queue();
        }
        // What follows may start calls: on a single processor it had better do so before this thread of the
        // library has nothing left to do and sleeps, to be woken for each of them.
        Thread.Yield();
    }

    /// <summary>Sees to it that <see cref="Complete"/> is called. It stays planted until the pool has it.</summary>
    private protected void Gather()
    {
        Ended? earlier;
        do
        {
            earlier = Volatile.Read(ref last);
            before = earlier;
        }
        while (Interlocked.CompareExchange(ref last, this, earlier) != earlier);
        // Not by the field: whoever gathers may have changed it by now.
        if (earlier is null) NativeMethods.everpost_gather(Callbacks.Gathered, IntPtr.Zero, IntPtr.Zero);
    }

    /// <summary>Ends the task, on a thread of the pool.</summary>
    private protected abstract void Complete();

#if NETCOREAPP3_0_OR_GREATER
    private void Queue() => ThreadPool.UnsafeQueueUserWorkItem(this, preferLocal: false);

    void IThreadPoolWorkItem.Execute() => Complete();
#else
    private static readonly WaitCallback Completion = ended => ((Ended)ended!).Complete();

    private void Queue() => ThreadPool.UnsafeQueueUserWorkItem(Completion, this);
#endif
}
