// Processes and application domains that end while messages are under way: none
// crashes and none hangs. Each ending is a process of its own, which this one
// starts and watches.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.IO;
using System.Reflection;
using System.Runtime.InteropServices;

namespace Everpost.Endings;

internal static class Program
{
    /// <summary>
    /// An ending takes no longer, in milliseconds, unless it hangs. Mono itself may take a minute, with or without
    /// this package: a worker of its pool that goes to rest at the moment of the end is not woken.
    /// </summary>
    private const int Patience = 100_000;

    private static int Main(string[] arguments)
    {
        if (arguments.Length == 1) return Endings.All[arguments[0]]();
        int failed = 0;
        foreach (string ending in Endings.All.Keys)
        {
            var time = Stopwatch.StartNew();
            string? wrong = Watch(ending);
            Console.WriteLine($"{(wrong is null ? "ok    " : "FAILED")} {ending}, {time.ElapsedMilliseconds} ms {wrong}");
            if (wrong is not null) failed++;
        }
        Console.WriteLine($"{Endings.All.Count - failed} endings of {Endings.All.Count} are sound on {RuntimeInformation.FrameworkDescription}");
        return failed == 0 ? 0 : 1;
    }

    /// <summary>Runs one ending; returns what went wrong, or null.</summary>
    private static string? Watch(string ending)
    {
        using Process process = Process.Start(Again(ending))!;
        var errors = new List<string>();
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data is { } text) lock (errors) errors.Add(text);
        };
        process.BeginErrorReadLine();
        string? said = process.StandardOutput.ReadLine();
        bool ended = process.WaitForExit(Patience);
        if (!ended) process.Kill();
        process.WaitForExit(); // And until all its lines are here.
        // What nobody catches ends a process in its own way; that it does is enough.
        bool asMeant = ending == "throw" ? process.ExitCode != Endings.Code : process.ExitCode == Endings.Code;
        if (ended && asMeant && said == Endings.Ready) return null;
        lock (errors)
        {
            string end = ended ? FormattableString.Invariant($"it ended with {process.ExitCode}") : "it does not end";
            return $"{end}, and said: {said} {string.Join("\n", errors)}";
        }
    }

    /// <summary>This program once more, whatever started it: a host such as <c>dotnet</c> or <c>mono</c>, or nothing.</summary>
    private static ProcessStartInfo Again(string ending)
    {
        using Process own = Process.GetCurrentProcess();
        string host = own.MainModule!.FileName!, name = Path.GetFileNameWithoutExtension(host);
        bool hosted = name == "dotnet" || name.StartsWith("mono", StringComparison.Ordinal);
        string program = hosted ? $"\"{Assembly.GetExecutingAssembly().Location}\" " : "";
        return new ProcessStartInfo(host, program + ending)
        {
            UseShellExecute = false,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
    }
}
