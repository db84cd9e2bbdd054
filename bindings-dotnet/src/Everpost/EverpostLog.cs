using System;
using Everpost.Interop;

namespace Everpost;

/// <summary>How much a log line matters; a level includes those above it.</summary>
public enum EverpostLogLevel
{
    /// <summary>Nothing.</summary>
    Off = 0,

    /// <summary>Faults.</summary>
    Error = 1,

    /// <summary>What may need attention.</summary>
    Warning = 2,

    /// <summary>What an operator wants to know.</summary>
    Information = 3,

    /// <summary>What helps to find a fault.</summary>
    Debug = 4,

    /// <summary>Everything, the conversation with servers included (target <c>everpost::wire</c>).</summary>
    Trace = 5,
}

/// <summary>The library's log, for the whole process. It has no secrets and no content of messages in it.</summary>
public static class EverpostLog
{
    /// <summary>Sends log lines to a hook, instead of to the hook before.</summary>
    /// <param name="level">The least important level to hear of.</param>
    /// <param name="write">
    /// Called with level, target and line, from any thread, several at a time. It should only pass them on,
    /// must not call Everpost, and its exceptions are dropped.
    /// </param>
    /// <exception cref="ArgumentNullException">There is no hook.</exception>
    /// <exception cref="EverpostLibraryException">The native library cannot be used.</exception>
    public static void SetHook(EverpostLogLevel level, Action<EverpostLogLevel, string, string> write)
    {
        if (write is null) throw new ArgumentNullException(nameof(write));
        Library.Require();
        var relay = new LogRelay(write);
        IntPtr userData = relay.Plant();
        int status = NativeMethods.everpost_log_set((int)level, Callbacks.Logged, Callbacks.LogDropped, userData, out ErrorHandle error);
        if (status != 0) relay.Pull();
        Errors.Check(status, error);
        LogRelay.Current = write;
    }

    /// <summary>Ends the log.</summary>
    /// <exception cref="EverpostLibraryException">The native library cannot be used.</exception>
    public static void RemoveHook()
    {
        Library.Require();
        LogRelay.Current = null;
        Errors.Check(NativeMethods.everpost_log_set(0, IntPtr.Zero, IntPtr.Zero, IntPtr.Zero, out ErrorHandle error), error);
    }
}
