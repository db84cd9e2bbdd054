// The shapes of other packages that the snippets use, as far as they use them.
// Their true packages cannot be had where there is no NuGet.
using System;
using System.Collections.Generic;
using System.IO;
using System.Threading;
using System.Threading.Tasks;

namespace MimeKit
{
    public class MimeMessage
    {
        public Task WriteToAsync(Stream stream, CancellationToken cancellationToken = default) => Task.CompletedTask;
    }
}

namespace Microsoft.Extensions.Logging
{
    public enum LogLevel
    {
        Trace,
        Debug,
        Information,
        Warning,
        Error,
        Critical,
        None,
    }

    public interface ILogger { }

    public static class LoggerExtensions
    {
        public static void Log(this ILogger logger, LogLevel level, string? message, params object?[] args) { }

        public static void LogInformation(this ILogger logger, string? message, params object?[] args) { }

        public static void LogWarning(this ILogger logger, string? message, params object?[] args) { }
    }
}

namespace Microsoft.Extensions.Diagnostics.HealthChecks
{
    public enum HealthStatus
    {
        Unhealthy,
        Degraded,
        Healthy,
    }

    public struct HealthCheckResult
    {
        public static HealthCheckResult Healthy(string? description = null) => default;

        public static HealthCheckResult Degraded(string? description = null) => default;

        public static HealthCheckResult Unhealthy(string? description = null) => default;
    }

    public sealed class HealthCheckContext { }

    public interface IHealthCheck
    {
        Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default);
    }
}

namespace Microsoft.Extensions.Configuration
{
    public interface IConfiguration
    {
        string? this[string key] { get; }
    }
}

namespace Microsoft.Extensions.DependencyInjection
{
    using Microsoft.Extensions.Diagnostics.HealthChecks;

    public interface IServiceCollection { }

    public interface IHealthChecksBuilder { }

    public static class ServiceCollectionExtensions
    {
        public static IServiceCollection AddSingleton<T>(this IServiceCollection services, Func<IServiceProvider, T> make) where T : class =>
            services;

        public static IServiceCollection AddSingleton<T>(this IServiceCollection services) where T : class => services;

        public static IHealthChecksBuilder AddHealthChecks(this IServiceCollection services) => throw new NotSupportedException();

        public static IHealthChecksBuilder AddCheck<T>(this IHealthChecksBuilder builder, string name) where T : class, IHealthCheck => builder;
    }
}

namespace Microsoft.AspNetCore.Builder
{
    using Microsoft.Extensions.Configuration;
    using Microsoft.Extensions.DependencyInjection;

    public sealed class WebApplicationBuilder
    {
        public IServiceCollection Services => throw new NotSupportedException();

        public IConfiguration Configuration => throw new NotSupportedException();
    }
}
