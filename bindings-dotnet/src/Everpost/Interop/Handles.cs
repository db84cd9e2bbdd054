using System;
using System.Runtime.InteropServices;

namespace Everpost.Interop;

/// <summary>
/// A pointer that the library gave us to own. It is released exactly once: by
/// <see cref="SafeHandle.Dispose()"/>, or by the finalizer of whoever forgot.
/// </summary>
internal abstract class NativeHandle : SafeHandle
{
    protected NativeHandle() : base(IntPtr.Zero, ownsHandle: true) { }

    public sealed override bool IsInvalid => handle == IntPtr.Zero;

    /// <summary>Takes over what a callback brought.</summary>
    internal void Adopt(IntPtr pointer) => SetHandle(pointer);
}

internal sealed class ErrorHandle : NativeHandle
{
    protected override bool ReleaseHandle() { NativeMethods.everpost_error_free(handle); return true; }
}

internal sealed class TextHandle : NativeHandle
{
    protected override bool ReleaseHandle() { NativeMethods.everpost_text_free(handle); return true; }
}

internal sealed class ConfigHandle : NativeHandle
{
    protected override bool ReleaseHandle() { NativeMethods.everpost_config_free(handle); return true; }
}

internal sealed class MailerHandle : NativeHandle
{
    protected override bool ReleaseHandle() { NativeMethods.everpost_mailer_free(handle); return true; }
}

internal sealed class MessageHandle : NativeHandle
{
    protected override bool ReleaseHandle() { NativeMethods.everpost_message_free(handle); return true; }
}

internal sealed class EnvelopeHandle : NativeHandle
{
    protected override bool ReleaseHandle() { NativeMethods.everpost_envelope_free(handle); return true; }
}

internal sealed class ReportHandle : NativeHandle
{
    protected override bool ReleaseHandle() { NativeMethods.everpost_report_free(handle); return true; }
}

internal sealed class ProbeHandle : NativeHandle
{
    protected override bool ReleaseHandle() { NativeMethods.everpost_probe_free(handle); return true; }
}

internal sealed class DiagnosisHandle : NativeHandle
{
    protected override bool ReleaseHandle() { NativeMethods.everpost_diagnosis_free(handle); return true; }
}

internal sealed class CertificateFileHandle : NativeHandle
{
    protected override bool ReleaseHandle() { NativeMethods.everpost_certificate_file_free(handle); return true; }
}
