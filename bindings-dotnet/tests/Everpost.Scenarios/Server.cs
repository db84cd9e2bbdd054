using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text;
using System.Text.RegularExpressions;
using System.Threading.Tasks;

namespace Everpost.Scenarios;

/// <summary>The server of a scenario, a process at the other end of lines of JSON.</summary>
internal sealed class Server : IDisposable
{
    private static readonly Regex Reference = new(@"\$\{([^}]*)\}");
    private readonly Process process;
    private readonly StreamReader answers;
    private readonly StreamWriter requests;

    internal Server(object? options)
    {
        string json = Json.Write(options);
        // How a backslash is quoted on a command line is another matter on every system.
        if (json.Contains('\\')) throw new NotSupportedException($"a backslash in the options of the server: {json}");
        string everpost = Environment.GetEnvironmentVariable("EVERPOST_COMMAND") ?? "everpost";
        process = Process.Start(new ProcessStartInfo(everpost, "rehearse --serve --options \"" + json.Replace("\"", "\\\"") + "\"")
        {
            UseShellExecute = false,
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        })!;
        // It tells people where it listens.
        process.ErrorDataReceived += (_, _) => { };
        process.BeginErrorReadLine();
        var utf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        answers = new StreamReader(process.StandardOutput.BaseStream, utf8);
        requests = new StreamWriter(process.StandardInput.BaseStream, utf8) { AutoFlush = true, NewLine = "\n" };
    }

    /// <summary>All that it has said: the fields of its first line and of its answers, newer over older.</summary>
    internal Fields Known { get; } = new();

    /// <summary>The next line that it says.</summary>
    internal async Task<Fields> Hear()
    {
        string line = await answers.ReadLineAsync() ?? throw new IOException("the server is gone");
        var answer = (Fields)Json.Read(line)!;
        foreach (KeyValuePair<string, object?> field in answer) Known[field.Key] = field.Value;
        return answer;
    }

    internal async Task<Fields> Ask(object? request)
    {
        await requests.WriteLineAsync(Json.Write(Fill(request)));
        return await Hear();
    }

    /// <summary>As <see cref="Ask"/>, of what must work.</summary>
    internal async Task<Fields> Must(object? request)
    {
        Fields answer = await Ask(request);
        return answer["ok"] is true ? answer : throw new InvalidOperationException($"{Json.Write(request)}: {Json.Write(answer)}");
    }

    internal string Fill(string text) => (string)Fill((object)text)!;

    public void Dispose()
    {
        try
        {
            process.Kill();
        }
        catch (InvalidOperationException)
        {
            // It has ended by itself.
        }
        process.WaitForExit();
        process.Dispose();
    }

    /// <summary>
    /// With every <c>${path}</c> in texts replaced by what is known; a text that is nothing else becomes the value
    /// itself, whatever its kind.
    /// </summary>
    private object? Fill(object? value)
    {
        switch (value)
        {
            case Fields fields:
                var filled = new Fields();
                foreach (KeyValuePair<string, object?> field in fields) filled[field.Key] = Fill(field.Value);
                return filled;
            case List<object?> items:
                return items.Select(Fill).ToList();
            case string text:
                Match whole = Reference.Match(text);
                if (whole.Success && whole.Length == text.Length) return Look(whole.Groups[1].Value);
                return Reference.Replace(text, part => Convert.ToString(Look(part.Groups[1].Value), CultureInfo.InvariantCulture)!);
            default:
                return value;
        }
    }

    private object Look(string path)
    {
        object? value = Known;
        foreach (string name in path.Split('.'))
            value = value is Fields fields && fields.TryGetValue(name, out object? field) ? field : null;
        return value ?? throw new KeyNotFoundException($"the server has not said {path}");
    }
}
