using System;
using System.Diagnostics;
using System.IO;
using System.Text.RegularExpressions;

namespace Everpost.Endings;

/// <summary>
/// A mail server that takes messages and never answers: <c>everpost rehearse --serve</c>. It ends with its input,
/// and so with this process, however that ends.
/// </summary>
internal sealed class SilentServer
{
    private readonly Process process;

    internal SilentServer()
    {
        string everpost = Environment.GetEnvironmentVariable("EVERPOST_COMMAND") ?? "everpost";
        const string Options = "{'credentials':{'app':'secret'},'tokens':{'robot':'secret'}}";
        process = Process.Start(new ProcessStartInfo(everpost, $"rehearse --serve --options \"{Options.Replace("'", "\\\"")}\"")
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        // It tells people where it listens.
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        string listening = process.StandardOutput.ReadLine() ?? throw new IOException("the server did not start");
        Address = "localhost:" + Regex.Match(listening, "\"implicit\":\"[^\"]*:([0-9]+)\"").Groups[1].Value;
        Trust = Regex.Match(listening, "\"ca_pem\":\"([^\"]*)\"").Groups[1].Value.Replace("\\n", "\n");
        Ask("{\"do\":\"inject\",\"at\":\"end_of_data\",\"action\":\"stall\",\"on\":\"every\"}");
    }

    internal string Address { get; }

    /// <summary>Its root, as PEM.</summary>
    internal string Trust { get; }

    /// <summary>Waits until it has so many messages, whose senders wait for its verdict; others may wait behind them.</summary>
    internal void Await(int messages) => Ask(FormattableString.Invariant($"{{\"do\":\"wait\",\"messages\":{messages}}}"));

    private void Ask(string request)
    {
        process.StandardInput.WriteLine(request);
        process.StandardInput.Flush();
        string? answer = process.StandardOutput.ReadLine();
        if (answer is null || !answer.Contains("\"ok\":true")) throw new IOException($"{request}: {answer}");
    }
}
