using System;
using System.Collections.Generic;
using System.Linq;
using System.Net;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.RegularExpressions;
using Everpost.Interop;
using Xunit;

namespace Everpost.Tests;

/// <summary>The rehearsal server, by the library's own functions.</summary>
internal sealed class Rehearsal : IDisposable
{
    private readonly IntPtr server;

#if NETCOREAPP3_0_OR_GREATER
    // These functions are called from this assembly, and found where that one finds its own.
    static Rehearsal() => NativeLibrary.SetDllImportResolver(typeof(Rehearsal).Assembly, Library.Resolve);
#endif

    internal Rehearsal(string options = "")
    {
        Library.Require();
        server = Start(options);
    }

    /// <summary>A method of its own: Mono looks for the library when it compiles the call, and not when it makes it.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static IntPtr Start(string more)
    {
        var options = new Utf8("{\"credentials\":{\"app\":\"secret\"},\"tokens\":{\"robot\":\"secret\"}" + more + "}");
        Errors.Check(everpost_rehearsal_start(options.Bytes, options.Length, out IntPtr server, out ErrorHandle error), error);
        return server;
    }

    internal string Url => FormattableString.Invariant($"smtps://app:secret@localhost:{ImplicitPort}");

    internal int ImplicitPort => everpost_rehearsal_implicit_port(server);

    internal int PlainPort => everpost_rehearsal_plain_port(server);

    internal int StartTlsPort => everpost_rehearsal_starttls_port(server);

    internal byte[] CaPem => everpost_rehearsal_ca_pem(server).Bytes;

    /// <summary>Options that reach the server and trust it.</summary>
    internal MailerOptions Options() => new(Url) { TrustedPem = { CaPem } };

    internal Mailer Mailer() => new(Options());

    /// <summary>Does one request of docs/rehearsal.md and returns the answer.</summary>
    internal string Do(string request)
    {
        var text = new Utf8("{\"do\":" + request + "}");
        int status = everpost_rehearsal_control(server, text.Bytes, text.Length, out TextHandle answer, out ErrorHandle error);
        using (answer)
        {
            Errors.Check(status, error);
            string line = NativeMethods.everpost_text_view(answer).Text;
            Assert.DoesNotContain("\"ok\":false", line);
            return line;
        }
    }

    internal void Rotate() => Do("\"rotate\"");

    internal void Inject(string at, string action, string rest = "") =>
        Do($"\"inject\",\"at\":{at},\"action\":{action},\"on\":\"next\"{rest}");

    internal int Copies(string messageId)
    {
        string answer = Do($"\"copies\",\"message_id\":\"{messageId}\"");
        return int.Parse(Regex.Match(answer, "\"copies\":([0-9]+)").Groups[1].Value);
    }

    /// <summary>What the server holds, as it came.</summary>
    internal IReadOnlyList<string> Bodies() =>
        Regex.Matches(Do("\"received\",\"bodies\":true"), "\"data_base64\":\"([^\"]*)\"").Cast<Match>()
            .Select(match => Encoding.UTF8.GetString(Convert.FromBase64String(match.Groups[1].Value))).ToList();

    public void Dispose() => everpost_rehearsal_free(server);

    private const string Name = NativeMethods.LibraryName;
    private const CallingConvention C = CallingConvention.Cdecl;

    [DllImport(Name, CallingConvention = C)] private static extern int everpost_rehearsal_start(byte[] options, UIntPtr length, out IntPtr server, out ErrorHandle error);
    [DllImport(Name, CallingConvention = C)] private static extern int everpost_rehearsal_control(IntPtr server, byte[] request, UIntPtr length, out TextHandle answer, out ErrorHandle error);
    [DllImport(Name, CallingConvention = C)] private static extern NativeString everpost_rehearsal_listening(IntPtr server);
    [DllImport(Name, CallingConvention = C)] private static extern NativeString everpost_rehearsal_ca_pem(IntPtr server);
    [DllImport(Name, CallingConvention = C)] private static extern ushort everpost_rehearsal_implicit_port(IntPtr server);
    [DllImport(Name, CallingConvention = C)] private static extern ushort everpost_rehearsal_starttls_port(IntPtr server);
    [DllImport(Name, CallingConvention = C)] private static extern ushort everpost_rehearsal_plain_port(IntPtr server);
    [DllImport(Name, CallingConvention = C)] private static extern void everpost_rehearsal_free(IntPtr server);
    [DllImport(Name, CallingConvention = C)] internal static extern ulong everpost_fault_panic(int place, IntPtr done, IntPtr userData, out IntPtr error);
}
