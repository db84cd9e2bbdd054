// The slice of xunit that the tests use, and a runner, for machines without the
// .NET SDK. With an SDK the project takes the real package, and not this file.
using System;
using System.Collections.Generic;
using System.Diagnostics;
using System.Linq;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Threading.Tasks;

namespace Xunit
{
    [AttributeUsage(AttributeTargets.Method)]
    public class FactAttribute : Attribute { }

    [AttributeUsage(AttributeTargets.Method)]
    public sealed class TheoryAttribute : FactAttribute { }

    [AttributeUsage(AttributeTargets.Method, AllowMultiple = true)]
    public sealed class InlineDataAttribute : Attribute
    {
        public InlineDataAttribute(params object?[] data) => Data = data;

        public object?[] Data { get; }
    }

    /// <summary>Classes of one collection run one after the other; here all do.</summary>
    [AttributeUsage(AttributeTargets.Class)]
    public sealed class CollectionAttribute : Attribute
    {
        public CollectionAttribute(string name) => Name = name;

        public string Name { get; }
    }

    public sealed class XunitException : Exception
    {
        public XunitException(string message) : base(message) { }
    }

    public static class Assert
    {
        public static void True(bool condition, string? message = null)
        {
            if (!condition) throw new XunitException(message ?? "is not true");
        }

        public static void False(bool condition, string? message = null) => True(!condition, message ?? "is not false");

        public static void Null(object? value) => True(value is null, $"is not null: {value}");

        public static void NotNull(object? value) => True(value is not null, "is null");

        public static void Empty(System.Collections.IEnumerable values) => True(!values.Cast<object>().Any(), "is not empty");

        public static void NotEmpty(System.Collections.IEnumerable values) => True(values.Cast<object>().Any(), "is empty");

        public static T Single<T>(IEnumerable<T> values)
        {
            T[] all = values.ToArray();
            True(all.Length == 1, $"{all.Length} items instead of one");
            return all[0];
        }

        public static void Contains(string part, string? whole) =>
            True(whole is not null && whole.IndexOf(part, StringComparison.Ordinal) >= 0, $"<{part}> is not in <{whole}>");

        public static void Contains<T>(T item, IEnumerable<T> items) => True(items.Contains(item), $"<{item}> is not among them");

        public static void DoesNotContain(string part, string? whole) =>
            True(whole is null || whole.IndexOf(part, StringComparison.Ordinal) < 0, $"<{part}> is in <{whole}>");

        public static void StartsWith(string start, string? whole) =>
            True(whole is not null && whole.StartsWith(start, StringComparison.Ordinal), $"<{whole}> does not start with <{start}>");

        public static void Equal<T>(IEnumerable<T> expected, IEnumerable<T> actual) => True(
            expected.SequenceEqual(actual), $"expected <{string.Join(", ", expected)}>, got <{string.Join(", ", actual)}>");

        public static void Equal<T>(T[] expected, T[] actual) => Equal<T>((IEnumerable<T>)expected, actual);

        public static void Equal(string? expected, string? actual) => Equal<string?>(expected, actual);

        public static void Equal<T>(T expected, T actual) =>
            True(EqualityComparer<T>.Default.Equals(expected, actual), $"expected <{expected}>, got <{actual}>");

        public static void NotEqual<T>(T expected, T actual) =>
            True(!EqualityComparer<T>.Default.Equals(expected, actual), $"is <{actual}>");

        public static T IsType<T>(object? value)
        {
            True(value?.GetType() == typeof(T), $"expected a {typeof(T).Name}, got {value}");
            return (T)value!;
        }

        public static T Throws<T>(Action action) where T : Exception
        {
            try
            {
                action();
            }
            catch (Exception error)
            {
                return IsType<T>(error);
            }
            throw new XunitException($"no {typeof(T).Name}");
        }

        public static async Task<T> ThrowsAsync<T>(Func<Task> action) where T : Exception
        {
            try
            {
                await action().ConfigureAwait(false);
            }
            catch (Exception error)
            {
                return IsType<T>(error);
            }
            throw new XunitException($"no {typeof(T).Name}");
        }

        public static async Task<T> ThrowsAnyAsync<T>(Func<Task> action) where T : Exception
        {
            try
            {
                await action().ConfigureAwait(false);
            }
            catch (T error)
            {
                return error;
            }
            throw new XunitException($"no {typeof(T).Name}");
        }
    }

    internal static class Runner
    {
        private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

        private static async Task<int> Main(string[] filters)
        {
            if (filters.Length == 1 && filters[0] == "--without-library") return WithoutLibrary();
            int passed = 0, failed = 0;
            var time = Stopwatch.StartNew();
            foreach (Type type in Assembly.GetExecutingAssembly().GetTypes().OrderBy(type => type.FullName, StringComparer.Ordinal))
            {
                foreach (MethodInfo method in type.GetMethods().Where(method => method.GetCustomAttribute<FactAttribute>() is not null))
                {
                    string name = $"{type.Name}.{method.Name}";
                    if (filters.Length > 0 && !filters.Any(name.Contains)) continue;
                    foreach (object?[] row in Rows(method))
                    {
                        try
                        {
                            await Run(type, method, row).ConfigureAwait(false);
                            passed++;
                        }
                        catch (Exception error)
                        {
                            failed++;
                            Exception cause = error is TargetInvocationException { InnerException: { } inner } ? inner : error;
                            Console.WriteLine($"FAILED {name}({string.Join(", ", row)})\n  {cause}");
                        }
                    }
                }
            }
            Console.WriteLine($"{passed} passed, {failed} failed in {time.ElapsedMilliseconds} ms on {RuntimeInformation.FrameworkDescription}");
            return failed == 0 && passed > 0 ? 0 : 1;
        }

        /// <summary>Needs a process of its own: a library that was loaded stays loaded.</summary>
        private static int WithoutLibrary()
        {
            for (int attempt = 0; attempt < 2; attempt++)
            {
                try
                {
                    new Everpost.Mailer("smtps://localhost").Dispose();
                }
                catch (Everpost.EverpostLibraryException error) when (error.Message.Contains("/nowhere/libeverpost.so"))
                {
                    continue;
                }
                Console.WriteLine("FAILED a library that is not there was found");
                return 1;
            }
            Console.WriteLine("a library that is not there is missed in plain words");
            return 0;
        }

        private static IEnumerable<object?[]> Rows(MethodInfo method)
        {
            InlineDataAttribute[] rows = method.GetCustomAttributes<InlineDataAttribute>().ToArray();
            return rows.Length == 0 ? new[] { Array.Empty<object?>() } : rows.Select(row => row.Data);
        }

        private static async Task Run(Type type, MethodInfo method, object?[] row)
        {
            object? instance = method.IsStatic ? null : Activator.CreateInstance(type);
            try
            {
                if (method.Invoke(instance, row) is not Task task) return;
                if (await Task.WhenAny(task, Task.Delay(Patience)).ConfigureAwait(false) != task)
                    throw new TimeoutException($"not done after {Patience.TotalSeconds} s");
                await task.ConfigureAwait(false);
            }
            finally
            {
                (instance as IDisposable)?.Dispose();
            }
        }
    }
}
