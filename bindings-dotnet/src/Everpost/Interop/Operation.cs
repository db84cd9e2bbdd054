using System;
using System.Runtime.CompilerServices;
using System.Threading;
using System.Threading.Tasks;

namespace Everpost.Interop;

/// <summary>
/// A call under way. Its task ends when the library's one callback has come, also
/// after a cancellation: only then is it known what happened to the message.
/// </summary>
internal class Operation<T> : Ended
{
    // Not a TaskCompletionSource: its tasks cannot be cancelled with an exception that says more than that.
    // Continuations run where it is set, which is never a thread of the library.
    private AsyncTaskMethodBuilder<T> source = AsyncTaskMethodBuilder<T>.Create();
    private long id;
    private IntPtr result;
    private IntPtr error;
    private Func<IntPtr, T>? read;

    internal delegate ulong Starter(IntPtr userData, out IntPtr error);

    /// <summary>Starts the call before it returns; its task is that of the call's end.</summary>
    internal Task<T> RunAsync(Starter start, CancellationToken token)
    {
        if (token.CanBeCanceled) return RunUntilAsync(start, token);
        Task<T> task = source.Task;
        try
        {
            Start(start);
        }
        catch (Exception failure)
        {
            source.SetException(failure);
        }
        return task;
    }

    /// <summary>
    /// The end, by what a callback brought: a result or an error, which is ours to free. <paramref name="take"/>
    /// makes of the result what it is here, and frees it.
    /// </summary>
    internal void End(IntPtr result, IntPtr error, Func<IntPtr, T> take)
    {
        this.result = result;
        this.error = error;
        read = take;
        Gather();
    }

    private protected override void Complete()
    {
        T value = default!;
        Exception? failure = null;
        try
        {
            if (error == IntPtr.Zero) value = read!(result);
            else failure = Errors.Take(error);
        }
        catch (Exception unexpected)
        {
            failure = unexpected;
        }
        if (failure is null) source.SetResult(value);
        else source.SetException(failure);
    }

    private protected override void Stop()
    {
        ulong operation = (ulong)Volatile.Read(ref id);
        if (operation != 0) NativeMethods.everpost_cancel(operation);
    }

    private async Task<T> RunUntilAsync(Starter start, CancellationToken token)
    {
        token.ThrowIfCancellationRequested();
        Task<T> task = source.Task;
        Start(start);
        // A token that was cancelled meanwhile cancels here, at once.
        using (token.Register(operation => ((Operation<T>)operation!).Stop(), this))
        {
            try
            {
                return await task.ConfigureAwait(false);
            }
            catch (EverpostCanceledException canceled)
            {
                throw new EverpostCanceledException(canceled.Error, token.IsCancellationRequested ? token : default);
            }
        }
    }

    private void Start(Starter start)
    {
        IntPtr userData = Plant();
        ulong started = 0;
        IntPtr refused = IntPtr.Zero;
        try
        {
            started = start(userData, out refused);
        }
        finally
        {
            if (started == 0) Pull();
        }
        if (started == 0) throw Errors.Take(refused);
        Volatile.Write(ref id, (long)started);
    }
}
