using System.Collections.Concurrent;
using System.Threading;
using System.Threading.Tasks;

namespace Everpost.Scenarios;

/// <summary>The events of a mailer, each to be heard once.</summary>
internal sealed class Events
{
    private readonly ConcurrentQueue<string> names = new();
    private readonly SemaphoreSlim count = new(0);

    internal Events(Mailer mailer) => mailer.Happened += (_, happened) =>
    {
        names.Enqueue(happened.Name);
        count.Release();
    };

    /// <summary>Waits until an event comes; those before it are heard.</summary>
    internal async Task Until(string awaited)
    {
        string? name;
        do
        {
            await count.WaitAsync();
            names.TryDequeue(out name);
        }
        while (name != awaited);
    }
}
