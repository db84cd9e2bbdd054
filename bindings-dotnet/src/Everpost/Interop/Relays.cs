using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace Everpost.Interop;

/// <summary>
/// Carries events from the library to a mailer's subscribers, in order, on the
/// thread pool: what they do cannot hold up the library. It does not keep the
/// mailer alive.
/// </summary>
internal sealed class EventRelay : Root
{
    private readonly Queue<MailerEventArgs> waiting = new();
    private readonly WeakReference<Mailer> mailer;
    private bool draining;

    internal EventRelay(Mailer mailer) => this.mailer = new WeakReference<Mailer>(mailer);

    internal void Happened(IntPtr happened)
    {
        try
        {
            MailerEventArgs arguments = MailerEventArgs.Read(happened);
            lock (waiting)
            {
                waiting.Enqueue(arguments);
                if (draining) return;
                draining = true;
            }
            ThreadPool.QueueUserWorkItem(_ => Drain());
        }
        catch (Exception error)
        {
            LogRelay.Report(error);
        }
    }

    private protected override void Stop()
    {
        if (mailer.TryGetTarget(out Mailer? target)) target.Dispose();
    }

    private void Drain()
    {
        while (true)
        {
            MailerEventArgs arguments;
            lock (waiting)
            {
                draining = waiting.Count > 0;
                if (!draining) return;
                arguments = waiting.Dequeue();
            }
            try
            {
                if (mailer.TryGetTarget(out Mailer? target)) target.Raise(arguments);
            }
            catch (Exception error)
            {
                // One subscriber's mistake must not end the process, nor the events.
                LogRelay.Report(error);
            }
        }
    }
}

/// <summary>Carries questions for a token from the library to the application.</summary>
internal sealed class TokenRelay : Root
{
    private readonly Func<CancellationToken, Task<string>> provider;
    private readonly CancellationTokenSource ended = new();

    internal TokenRelay(Func<CancellationToken, Task<string>> provider) => this.provider = provider;

    /// <summary>Asks the application; the answer comes from wherever it ends.</summary>
    internal void Asked(IntPtr request) => _ = Task.Run(() => AnswerAsync(request));

    /// <summary>No more questions will come: whoever still looks for a token may stop.</summary>
    internal void Dropped() => ThreadPool.QueueUserWorkItem(_ => Stop());

    private protected override void Stop()
    {
        try
        {
            ended.Cancel();
        }
        catch (Exception error)
        {
            // Of what the application does when its token is cancelled, which it does here.
            LogRelay.Report(error);
        }
    }

    private async Task AnswerAsync(IntPtr request)
    {
        // The request is answered once, whatever the application does.
        Utf8 answer;
        bool given = false;
        try
        {
            string token = await provider(ended.Token).ConfigureAwait(false)
                ?? throw new InvalidOperationException("the token provider returned null");
            answer = new Utf8(token);
            given = true;
        }
        catch (Exception error)
        {
            answer = new Utf8(Printable($"{error.GetType().Name}: {error.Message}"));
        }
        if (given) NativeMethods.everpost_token_answer(request, answer.Bytes, answer.Length);
        else NativeMethods.everpost_token_refuse(request, answer.Bytes, answer.Length);
        answer.Wipe();
    }

    /// <summary>Text of others, without what cannot be encoded.</summary>
    private static string Printable(string text)
    {
        char[] characters = text.ToCharArray();
        for (int index = 0; index < characters.Length; index++)
        {
            bool whole = !char.IsSurrogate(characters[index])
                || (index > 0 && char.IsSurrogatePair(characters[index - 1], characters[index]))
                || (index + 1 < characters.Length && char.IsSurrogatePair(characters[index], characters[index + 1]));
            if (!whole) characters[index] = '\uFFFD';
        }
        return new string(characters);
    }
}

/// <summary>Carries log lines from the library to the application's hook.</summary>
internal sealed class LogRelay : Root
{
    private static Action<EverpostLogLevel, string, string>? current;
    private readonly Action<EverpostLogLevel, string, string> write;

    internal LogRelay(Action<EverpostLogLevel, string, string> write) => this.write = write;

    /// <summary>The hook in force, which is also told of mistakes of the application's callbacks.</summary>
    internal static Action<EverpostLogLevel, string, string>? Current
    {
        set => Volatile.Write(ref current, value);
    }

    internal static void Report(Exception error)
    {
        try
        {
            Volatile.Read(ref current)?.Invoke(EverpostLogLevel.Error, "everpost::dotnet", $"a callback of the application failed: {error}");
        }
        catch (Exception)
        {
            // The hook failed too: nobody is left to be told.
        }
    }

    internal void Logged(int level, NativeString target, NativeString message)
    {
        try
        {
            write((EverpostLogLevel)level, target.Text, message.Text);
        }
        catch (Exception)
        {
            // A hook that fails must not end the process that it writes about.
        }
    }

    private protected override void Stop()
    {
        NativeMethods.everpost_log_set(0, IntPtr.Zero, IntPtr.Zero, IntPtr.Zero, out ErrorHandle error);
        error.Dispose();
    }
}
