using System;
using System.Collections.Generic;

namespace Everpost.Interop;

/// <summary>Many messages under way; each result comes in a callback of its own.</summary>
internal sealed class Batch : Operation<IReadOnlyList<SendResult>>
{
    private readonly SendResult?[] results;
    private readonly IProgress<SendResult>? progress;

    internal Batch(int count, IProgress<SendResult>? progress)
    {
        results = new SendResult?[count];
        this.progress = progress;
    }

    internal void Each(int index, IntPtr receipt, IntPtr error)
    {
        try
        {
            SendResult result = error == IntPtr.Zero
                ? new SendResult(index, Receipt.Take(receipt), null)
                : new SendResult(index, null, Errors.Take(error));
            results[index] = result;
            progress?.Report(result);
        }
        catch (Exception unexpected)
        {
            // Of the application's progress, or of reading the result.
            if (results[index] is null) results[index] = new SendResult(index, null, unexpected);
            else LogRelay.Report(unexpected);
        }
    }

    /// <summary>The last callback: every message has its result, unless the whole failed.</summary>
    internal void Done(IntPtr error)
    {
        if (error != IntPtr.Zero && !Array.Exists(results, result => result is null))
        {
            NativeMethods.everpost_error_free(error);
            error = IntPtr.Zero;
        }
        End(IntPtr.Zero, error, _ => Array.ConvertAll(results, result => result!));
    }
}
