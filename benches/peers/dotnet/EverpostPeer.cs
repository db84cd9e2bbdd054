// Everpost through its .NET package: from tasks that await, or from threads
// that wait.
using System;
using System.Diagnostics;
using System.Globalization;
using System.IO;
using System.Linq;
using System.Text.RegularExpressions;
using System.Threading;
using System.Threading.Tasks;
using Everpost;

internal static class EverpostPeer
{
    private static string job = "";

    private static async Task<int> Main(string[] arguments)
    {
        job = arguments[0];
        int connections = int.Parse(Field("connections"), CultureInfo.InvariantCulture);
        byte[] message = File.ReadAllBytes(Field("message"));
        var options = new MailerOptions($"smtps://{Field("host")}:{Field("port")}")
        {
            Credentials = new System.Net.NetworkCredential(Field("user"), Field("password")),
            MaxConnections = connections,
        };
        options.Trust.Add(Field("ca"));
        var mailer = new Mailer(options);

        bool waits = Field("how") == "blocking";
        Task<long> Run(double seconds) =>
            waits ? Task.FromResult(FromThreads(mailer, message, connections, seconds)) : FromTasks(mailer, message, connections, seconds);
        long warm = await Run(Number("warm"));
        TimeSpan cpu = Cpu();
        var watch = Stopwatch.StartNew();
        long messages = await Run(Number("seconds"));
        double took = watch.Elapsed.TotalSeconds;
        Console.WriteLine(FormattableString.Invariant(
            $"{{\"messages\":{messages},\"total\":{messages + warm},\"seconds\":{took},\"cpu\":{(Cpu() - cpu).TotalSeconds},\"peak_memory\":{PeakMemory()}}}"));
        await mailer.CloseAsync();
        mailer.Dispose();
        // Mono does not end while a thread of the library lives.
        return EverpostRuntime.Shutdown(TimeSpan.FromSeconds(2)) ? 0 : 1;
    }

    private static async Task<long> FromTasks(Mailer mailer, byte[] message, int count, double seconds)
    {
        async Task<long> One(Stopwatch watch)
        {
            long messages = 0;
            for (; watch.Elapsed.TotalSeconds < seconds; messages++) await mailer.SendAsync(message).ConfigureAwait(false);
            return messages;
        }
        var stretch = Stopwatch.StartNew();
        return (await Task.WhenAll(Enumerable.Range(0, count).Select(_ => One(stretch)))).Sum();
    }

    private static long FromThreads(Mailer mailer, byte[] message, int count, double seconds)
    {
        var watch = Stopwatch.StartNew();
        long total = 0;
        void One()
        {
            long messages = 0;
            for (; watch.Elapsed.TotalSeconds < seconds; messages++) mailer.Send(message);
            Interlocked.Add(ref total, messages);
        }
        Thread[] others = Enumerable.Range(1, count - 1).Select(_ => new Thread(One)).ToArray();
        foreach (Thread thread in others) thread.Start();
        One();
        foreach (Thread thread in others) thread.Join();
        return total;
    }

    /// <summary>A value of the job, which is one flat object without escapes but in paths of Windows.</summary>
    private static string Field(string key) =>
        Regex.Match(job, $"\"{key}\":\"?([^\",}}]*)").Groups[1].Value.Replace(@"\\", @"\");

    private static double Number(string key) => double.Parse(Field(key), CultureInfo.InvariantCulture);

    private static TimeSpan Cpu() => Process.GetCurrentProcess().TotalProcessorTime;

    /// <summary>In bytes, where the system tells.</summary>
    private static string PeakMemory()
    {
        const string Status = "/proc/self/status";
        if (!File.Exists(Status)) return "null";
        Match match = Regex.Match(File.ReadAllText(Status), @"VmHWM:\s+(\d+)");
        return match.Success ? (long.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) * 1024).ToString(CultureInfo.InvariantCulture) : "null";
    }
}
