using System;
using System.Runtime.InteropServices;

namespace Everpost.Interop;

/// <summary>
/// What the library calls. The delegates live as long as the process, for it may
/// call at any time; no exception leaves them.
/// </summary>
internal static class Callbacks
{
    internal static readonly IntPtr Send = Pointer<ResultFn>(
        (userData, receipt, error) => Root.Peek<Operation<Receipt>>(userData).End(receipt, error, taken => Receipt.Take(taken)));

    internal static readonly IntPtr Report = Pointer<ResultFn>(
        (userData, report, error) => Root.Peek<Operation<Report>>(userData).End(report, error, taken => global::Everpost.Report.Take(taken)));

    internal static readonly IntPtr Offered = Pointer<ResultFn>(
        (userData, text, error) => Root.Peek<Operation<Capabilities>>(userData).End(text, error, taken => Capabilities.Take(taken)));

    internal static readonly IntPtr Close = Pointer<DoneFn>(
        (userData, error) => Root.Peek<Operation<bool>>(userData).End(IntPtr.Zero, error, _ => true));

    internal static readonly IntPtr Gathered = Pointer<DropFn>(_ => Ended.Gathered());

    internal static readonly IntPtr BatchEach = Pointer<BatchFn>(
        (userData, index, receipt, error) => Root.Peek<Batch>(userData).Each(checked((int)index), receipt, error));

    internal static readonly IntPtr BatchDone = Pointer<DoneFn>(
        (userData, error) => Root.Peek<Batch>(userData).Done(error));

    internal static readonly IntPtr Happened = Pointer<EventFn>(
        (userData, happened) => Root.Peek<EventRelay>(userData).Happened(happened));

    internal static readonly IntPtr EventsDropped = Pointer<DropFn>(userData => Root.Take<EventRelay>(userData));

    internal static readonly IntPtr TokenAsked = Pointer<EventFn>(
        (userData, request) => Root.Peek<TokenRelay>(userData).Asked(request));

    internal static readonly IntPtr TokensDropped = Pointer<DropFn>(userData => Root.Take<TokenRelay>(userData).Dropped());

    internal static readonly IntPtr Logged = Pointer<LogFn>(
        (userData, level, target, message) => Root.Peek<LogRelay>(userData).Logged(level, target, message));

    internal static readonly IntPtr LogDropped = Pointer<DropFn>(userData => Root.Take<LogRelay>(userData));

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate void ResultFn(IntPtr userData, IntPtr result, IntPtr error);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate void DoneFn(IntPtr userData, IntPtr error);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate void BatchFn(IntPtr userData, UIntPtr index, IntPtr receipt, IntPtr error);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate void EventFn(IntPtr userData, IntPtr argument);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate void DropFn(IntPtr userData);

    [UnmanagedFunctionPointer(CallingConvention.Cdecl)]
    private delegate void LogFn(IntPtr userData, int level, NativeString target, NativeString message);

    private static IntPtr Pointer<TDelegate>(TDelegate callback) where TDelegate : Delegate
    {
        GCHandle.Alloc(callback); // For good, like the code it points to.
        return Marshal.GetFunctionPointerForDelegate(callback);
    }
}
