using System;
using System.Collections.Generic;
using System.IO;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Everpost.Interop;

/// <summary>
/// Finds the native library and refuses one of another ABI. Every path into the
/// library begins with <see cref="Require"/>.
/// </summary>
internal static class Library
{
    /// <summary>The ABI that these sources are written for.</summary>
    internal const uint AbiVersion = 1;

    /// <summary>The environment variable with the path of the library to load instead.</summary>
    internal const string Override = "EVERPOST_LIBRARY";

    private static readonly Lazy<EverpostLibraryException?> Failure = new(Load);

    /// <summary>Makes sure that the library can be called.</summary>
    /// <exception cref="EverpostLibraryException">It is not found, cannot be loaded, or has another ABI.</exception>
    internal static void Require()
    {
        if (Failure.Value is { } failure) throw new EverpostLibraryException(failure.Message, failure.InnerException);
    }

    /// <summary>Says what is wrong with a library of this ABI version, if anything is.</summary>
    internal static string? Mismatch(uint found) => found == AbiVersion ? null
        : FormattableString.Invariant($"the native library has ABI version {found}, and this assembly needs {AbiVersion}: ")
            + "take both from the same release of the package, and look for an old copy in the application's folder, "
            + $"on the library path or in {Override}";

    private static EverpostLibraryException? Load()
    {
        try
        {
#if NETCOREAPP3_0_OR_GREATER
            Prepare();
#endif
            string? mismatch = Mismatch(FoundVersion());
            return mismatch is null ? null : new EverpostLibraryException(mismatch, null);
        }
        catch (Exception error) when (error is DllNotFoundException or BadImageFormatException or EntryPointNotFoundException)
        {
            string given = Environment.GetEnvironmentVariable(Override) is { Length: > 0 } path ? $"; {Override} is {path}" : "";
            return new EverpostLibraryException(
                $"the native library '{FileName}' for {RuntimeIdentifier} cannot be loaded: {error.Message}{given}. "
                + $"It belongs into runtimes/{RuntimeIdentifier}/native or beside the application; {Override} can name another path",
                error);
        }
    }

    /// <summary>A method of its own: Mono looks for the library when it compiles the call, and not when it makes it.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static uint FoundVersion() => NativeMethods.everpost_abi_version();

    /// <summary>Where the library may be, the likeliest first.</summary>
    private static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable(Override) is { Length: > 0 } path)
        {
            // Asked for by name: no other one will do.
            yield return path;
            yield break;
        }
        string? assembly = Path.GetDirectoryName(typeof(Library).Assembly.Location);
        foreach (string? folder in new[] { assembly, AppDomain.CurrentDomain.BaseDirectory })
        {
            if (string.IsNullOrEmpty(folder)) continue;
            string[] places = { Path.Combine(folder, "runtimes", RuntimeIdentifier, "native"), folder! };
            foreach (string place in places)
            {
                string file = Path.Combine(place, FileName);
                if (File.Exists(file)) yield return file;
            }
        }
    }

    internal static bool IsMono { get; } = Type.GetType("Mono.Runtime") is not null;

    private static bool IsWindows => RuntimeInformation.IsOSPlatform(OSPlatform.Windows);

    private static string FileName => IsWindows ? "everpost.dll"
        : RuntimeInformation.IsOSPlatform(OSPlatform.OSX) ? "libeverpost.dylib" : "libeverpost.so";

    private static string RuntimeIdentifier
    {
        get
        {
            string system = IsWindows ? "win" : RuntimeInformation.IsOSPlatform(OSPlatform.OSX) ? "osx" : "linux";
            return system + "-" + RuntimeInformation.ProcessArchitecture.ToString().ToLowerInvariant();
        }
    }

#if NETCOREAPP3_0_OR_GREATER
    private static void Prepare() => NativeLibrary.SetDllImportResolver(typeof(Library).Assembly, Resolve);

    internal static IntPtr Resolve(string name, Assembly assembly, DllImportSearchPath? search)
    {
        if (name != NativeMethods.LibraryName) return IntPtr.Zero;
        foreach (string candidate in Candidates()) return NativeLibrary.Load(candidate);
        return IntPtr.Zero; // The runtime's own search: deps.json, then the system.
    }
#else
    /// <summary>
    /// .NET Framework and Mono have no hook for this. On Windows a library that is
    /// loaded is found again by its name; Mono keeps a map from names to paths, which
    /// it reads when it compiles the first method with a call in it: hence so early.
    /// </summary>
    [ModuleInitializer]
    internal static void Prepare()
    {
        foreach (string candidate in Candidates())
        {
            if (IsMono)
                MapForMono(IntPtr.Zero, NativeMethods.LibraryName, null, Path.GetFullPath(candidate), null);
            else if (IsWindows)
                LoadForWindows(candidate); // Where this fails, so does the first call, which says so.
            return;
        }
    }

    [DllImport("__Internal", EntryPoint = "mono_dllmap_insert", CallingConvention = CallingConvention.Cdecl, CharSet = CharSet.Ansi)]
    private static extern void MapForMono(IntPtr image, string library, string? function, string path, string? name);

    [DllImport("kernel32", EntryPoint = "LoadLibraryW", CharSet = CharSet.Unicode)]
    private static extern IntPtr LoadForWindows(string path);
#endif
}
