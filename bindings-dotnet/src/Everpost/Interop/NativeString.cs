using System;
using System.Runtime.InteropServices;
using System.Text;

namespace Everpost.Interop;

/// <summary>
/// A view of bytes that the library owns, UTF-8 where they are text. It is read
/// at once, while the handle it came from is certainly alive.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct NativeString
{
    private readonly IntPtr data;
    private readonly UIntPtr length;

    /// <summary>The text, or null where there is none.</summary>
    internal unsafe string? OrNull =>
        data == IntPtr.Zero ? null : Encoding.UTF8.GetString((byte*)data, checked((int)length));

    /// <summary>The text, empty where there is none.</summary>
    internal string Text => OrNull ?? string.Empty;

    /// <summary>A copy of the bytes.</summary>
    internal byte[] Bytes
    {
        get
        {
            if (data == IntPtr.Zero) return Array.Empty<byte>();
            var copy = new byte[checked((int)length)];
            Marshal.Copy(data, copy, 0, copy.Length);
            return copy;
        }
    }
}

/// <summary>
/// Text on its way into the library, as UTF-8. A NUL follows it, so that the
/// array has an address even where the text is empty.
/// </summary>
internal readonly struct Utf8
{
    // A lone surrogate is a mistake of the caller's, not a question mark.
    private static readonly UTF8Encoding Strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    internal Utf8(string text)
    {
        Bytes = new byte[Strict.GetByteCount(text) + 1];
        Strict.GetBytes(text, 0, text.Length, Bytes, 0);
    }

    internal byte[] Bytes { get; }

    internal UIntPtr Length => (UIntPtr)(uint)(Bytes.Length - 1);

    /// <summary>Overwrites a secret once the library has its copy.</summary>
    internal void Wipe() => Array.Clear(Bytes, 0, Bytes.Length);
}

/// <summary>Reads lists that the library gives as a count and an accessor.</summary>
internal static class NativeList
{
    /// <summary>Reads one; <paramref name="item"/> captures nothing, and so costs nothing for each list.</summary>
    internal static T[] Read<TOwner, T>(UIntPtr count, TOwner owner, Func<TOwner, UIntPtr, T> item)
    {
        if (count == UIntPtr.Zero) return Array.Empty<T>();
        var items = new T[checked((int)count)];
        for (int index = 0; index < items.Length; index++) items[index] = item(owner, (UIntPtr)(uint)index);
        return items;
    }
}
