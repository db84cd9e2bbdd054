using System;
using System.Threading;
using System.Threading.Tasks;

namespace Everpost.Interop;

/// <summary>
/// A call under way. Its task ends when the library's one callback has come, also
/// after a cancellation: only then is it known what happened to the message.
/// </summary>
internal class Operation<T> : Root
{
    // Continuations must not run on the library's threads, which have other work.
    private readonly TaskCompletionSource<T> source = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long id;

    internal delegate ulong Starter(IntPtr userData, out ErrorHandle error);

    /// <summary>Starts the call and waits for its end.</summary>
    internal async Task<T> RunAsync(Starter start, CancellationToken token)
    {
        token.ThrowIfCancellationRequested();
        Start(start);
        // A token that was cancelled meanwhile cancels here, at once.
        using (token.Register(Stop))
        {
            try
            {
                return await source.Task.ConfigureAwait(false);
            }
            catch (EverpostCanceledException error)
            {
                throw new EverpostCanceledException(error.Error, token.IsCancellationRequested ? token : default);
            }
        }
    }

    /// <summary>The end, with what the call gave.</summary>
    internal void Succeed(T result) => source.TrySetResult(result);

    /// <summary>The end, with what went wrong.</summary>
    internal void Fail(Exception error) => source.TrySetException(error);

    /// <summary>The end, by what a callback brought: a result or an error, which is ours to free.</summary>
    internal void End<THandle>(IntPtr result, IntPtr error, Func<THandle, T> read) where THandle : NativeHandle, new()
    {
        try
        {
            using THandle handle = new();
            handle.Adopt(result);
            if (error == IntPtr.Zero) Succeed(read(handle));
            else Fail(Errors.Take(error));
        }
        catch (Exception unexpected)
        {
            // An exception must not cross into the library, nor leave the task waiting.
            Fail(unexpected);
        }
    }

    private protected override void Stop()
    {
        ulong operation = (ulong)Volatile.Read(ref id);
        if (operation != 0) NativeMethods.everpost_cancel(operation);
    }

    private void Start(Starter start)
    {
        IntPtr userData = Plant();
        ulong started = 0;
        ErrorHandle? error = null;
        try
        {
            started = start(userData, out error);
        }
        finally
        {
            if (started == 0) Pull();
        }
        if (started == 0) throw Errors.From(error!);
        error!.Dispose();
        Volatile.Write(ref id, (long)started);
    }
}
