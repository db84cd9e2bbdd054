using System;
using System.Diagnostics;
using System.IO;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;

namespace MailService;

/// <summary>
/// A mail server that renews its certificate when it is told to: the process <c>everpost rehearse --serve</c>. It
/// takes requests on its standard input, one at a time, and answers each with a line.
/// </summary>
internal sealed class RotatingServer : IDisposable
{
    private readonly Process process;
    private readonly string trust = Path.GetTempFileName();
    private readonly SemaphoreSlim turn = new(1);

    internal RotatingServer()
    {
        string everpost = Environment.GetEnvironmentVariable("EVERPOST_COMMAND") ?? "everpost";
        process = Process.Start(new ProcessStartInfo(everpost, $"rehearse --serve --user app --password secret --ca-out \"{trust}\"")
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
        string port = Regex.Match(listening, "\"implicit\":\"[^\"]*:([0-9]+)\"").Groups[1].Value;
        Url = $"smtps://app:secret@localhost:{port}?trust={Uri.EscapeDataString(trust)}";
    }

    internal string Url { get; }

    /// <summary>Makes a request of docs/rehearsal.md, and returns the answer.</summary>
    internal async Task<string> AskAsync(string request)
    {
        await turn.WaitAsync();
        try
        {
            await process.StandardInput.WriteLineAsync(request);
            await process.StandardInput.FlushAsync();
            string? answer = await process.StandardOutput.ReadLineAsync();
            return answer is not null && answer.Contains("\"ok\":true") ? answer : throw new IOException($"{request}: {answer}");
        }
        finally
        {
            turn.Release();
        }
    }

    /// <summary>How many copies of a message it holds.</summary>
    internal async Task<int> CopiesAsync(string messageId)
    {
        string answer = await AskAsync($"{{\"do\":\"copies\",\"message_id\":\"{messageId}\"}}");
        return int.Parse(Regex.Match(answer, "\"copies\":([0-9]+)").Groups[1].Value);
    }

    public void Dispose()
    {
        // It ends with its input.
        process.StandardInput.Close();
        process.WaitForExit();
        process.Dispose();
        File.Delete(trust);
    }
}
