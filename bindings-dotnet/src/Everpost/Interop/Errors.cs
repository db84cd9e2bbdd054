using System;

namespace Everpost.Interop;

/// <summary>Makes exceptions of the library's errors.</summary>
internal static class Errors
{
    /// <summary>Throws if a call failed; releases the error either way.</summary>
    internal static void Check(int status, ErrorHandle error)
    {
        if (status != 0) throw From(error);
        error.Dispose();
    }

    /// <summary>The exception for an error that a callback brought.</summary>
    internal static Exception Take(IntPtr error)
    {
        ErrorHandle handle = new();
        handle.Adopt(error);
        return From(handle);
    }

    /// <summary>The exception for an error, which is released or lives on in the exception.</summary>
    internal static Exception From(ErrorHandle handle)
    {
        if (handle.IsInvalid) return new EverpostInternalException(EverpostError.OfOurs(EverpostErrorKind.Internal, "the library failed and did not say why"));
        EverpostError error = EverpostError.Read(handle);
        if (error.Kind == EverpostErrorKind.DeliveryUnknown) return new EverpostDeliveryUnknownException(error, handle);
        handle.Dispose();
        return error.Kind switch
        {
            EverpostErrorKind.InvalidConfig => new EverpostConfigException(error),
            EverpostErrorKind.InvalidMessage => new EverpostMessageException(error),
            EverpostErrorKind.Dns or EverpostErrorKind.Connect => new EverpostConnectException(error),
            EverpostErrorKind.Timeout => new EverpostTimeoutException(error),
            EverpostErrorKind.Tls => new EverpostTlsException(error),
            EverpostErrorKind.Certificate => new EverpostCertificateException(error),
            EverpostErrorKind.Auth => new EverpostAuthenticationException(error),
            EverpostErrorKind.Rejected => new EverpostRejectedException(error),
            EverpostErrorKind.Unsupported => new EverpostUnsupportedException(error),
            EverpostErrorKind.Protocol => new EverpostProtocolException(error),
            EverpostErrorKind.Cancelled => new EverpostCanceledException(error, default),
            EverpostErrorKind.Closed => new EverpostClosedException(error),
            _ => new EverpostInternalException(error),
        };
    }
}
