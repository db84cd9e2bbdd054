using System;
using System.Collections.Generic;
using System.Threading;
using System.Threading.Tasks;

namespace Everpost.Endings;

/// <summary>The ways to end, each in a process of its own; what it returns is what the process ends with.</summary>
internal static class Endings
{
    /// <summary>What a process says when it means to end.</summary>
    internal const string Ready = "messages are under way";

    /// <summary>What a process ends with that ended as it meant to.</summary>
    internal const int Code = 7;

    internal static readonly IReadOnlyDictionary<string, Func<int>> All = new Dictionary<string, Func<int>>
    {
        ["return-from-main"] = () =>
        {
            Begin();
            return Say();
        },
        ["exit"] = () =>
        {
            Begin();
            Environment.Exit(Say());
            return 0;
        },
        ["exit-on-another-thread"] = () =>
        {
            Begin();
            Task.Run(() => Environment.Exit(Say()));
            Thread.CurrentThread.Join();
            return 0;
        },
        ["dispose-first"] = () =>
        {
            Begin().Mailer!.Dispose();
            return Say();
        },
        ["shut-down-first"] = () =>
        {
            Begin();
            return EverpostRuntime.Shutdown(TimeSpan.FromSeconds(10)) ? Say() : 0;
        },
        ["dispose-in-a-handler-of-the-exit"] = () =>
        {
            Application application = Begin();
            AppDomain.CurrentDomain.ProcessExit += (_, _) => application.Mailer!.Dispose();
            return Say();
        },
        ["throw"] = () =>
        {
            Begin();
            Say();
            throw new InvalidOperationException("a mistake that nobody catches");
        },
#if NETSTANDARD2_0
        // As ASP.NET does when it recycles an application: the process goes on.
        ["unload-domains"] = () =>
        {
            var server = new SilentServer();
            for (int round = 1; round <= 3; round++)
            {
                AppDomain domain = AppDomain.CreateDomain("application");
                var application = (Application)domain.CreateInstanceAndUnwrap(typeof(Application).Assembly.FullName, typeof(Application).FullName!);
                application.Begin(server.Address, server.Trust);
                server.Await(round);
                AppDomain.Unload(domain);
            }
            Begin();
            return Say();
        },
#endif
    };

    private static Application Begin()
    {
        var server = new SilentServer();
        var application = new Application();
        application.Begin(server.Address, server.Trust);
        server.Await(1);
        return application;
    }

    private static int Say()
    {
        Console.WriteLine(Ready);
        return Code;
    }
}
