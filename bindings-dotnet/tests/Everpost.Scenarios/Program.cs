// Carries out the scenarios of tests/scenarios in C#, through the public interface
// of the package. docs/scenarios.md has the format, core/examples/scenarios is the
// model: it reports what it saw, and judges nothing.
using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using System.Threading.Tasks;

namespace Everpost.Scenarios;

internal static class Program
{
    /// <summary>No scenario takes longer.</summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    private static async Task Main(string[] arguments)
    {
        var file = (Fields)Json.Read(File.ReadAllText(arguments[0]))!;
        using var output = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(false)) { AutoFlush = true, NewLine = "\n" };
        foreach (object? one in file.List("scenarios"))
        {
            var scenario = (Fields)one!;
            var line = new Fields { ["scenario"] = scenario["name"] };
            try
            {
                line["seen"] = await InTime(scenario);
                line["ok"] = true;
            }
            catch (Exception error)
            {
                line["ok"] = false;
                line["why"] = error.ToString();
            }
            await output.WriteLineAsync(Json.Write(line));
        }
    }

    private static async Task<Fields> InTime(Fields scenario)
    {
        using var server = new Server(scenario["server"]);
        Task<Fields> carried = CarryOut(server, scenario);
        if (await Task.WhenAny(carried, Task.Delay(Patience)) != carried) throw new TimeoutException("it did not end in 30 s");
        return await carried;
    }

    private static async Task<Fields> CarryOut(Server server, Fields scenario)
    {
        Fields listening = await server.Hear();
        foreach (object? request in scenario.List("setup")) await server.Must(request);
        MailerOptions options = Run.Options(server, scenario.Object("client"));
        var steps = new List<object?>();
        using Run? run = Begin(server, options, out Fields client);
        if (run is not null)
        {
            foreach (object? step in scenario.List("steps")) steps.Add(await run.Step((Fields)step!));
            await run.Close();
        }
        // What is still on its way arrives before it is counted.
        await server.Must(new Fields { ["do"] = "wait", ["closed"] = true });
        Fields counts = await server.Must(new Fields { ["do"] = "counts" });
        Fields stats = await server.Must(new Fields { ["do"] = "stats" });
        return new Fields
        {
            ["listening"] = listening,
            ["client"] = client,
            ["steps"] = steps,
            ["end"] = new Fields { ["copies"] = counts["counts"], ["server"] = stats["stats"] },
        };
    }

    /// <summary>The client, or why there is none, which a scenario may be about.</summary>
    private static Run? Begin(Server server, MailerOptions options, out Fields client)
    {
        client = new Fields();
        try
        {
            return new Run(server, options);
        }
        catch (Exception refused) when (refused is IEverpostException)
        {
            client = Outcome.Of(refused);
            return null;
        }
    }
}
