using System;
using System.Collections.Generic;
using System.IO;
using System.Linq;
using System.Net.Mail;
using System.Runtime.InteropServices;
using System.Threading;
using System.Threading.Tasks;
using Everpost.Interop;
using Everpost.Mail;

namespace Everpost;

/// <content>What the methods of a mailer have in common: messages on their way into the library.</content>
public sealed partial class Mailer
{
    private delegate int Reader(MailerHandle mailer, out TextHandle text, out ErrorHandle error);

    private Task<Receipt> SendAsync(MessageHandle message, CancellationToken token)
    {
        // The library has its copy when the call has started.
        using (message)
        {
            return new Operation<Receipt>().RunAsync(
                (IntPtr userData, out IntPtr error) =>
                    NativeMethods.everpost_mailer_send_start(handle, message, Callbacks.Send, userData, out error),
                token);
        }
    }

    private Receipt Send(MessageHandle message)
    {
        using (message)
        {
            int status = NativeMethods.everpost_mailer_send(handle, message, out IntPtr receipt, out IntPtr error);
            return status == 0 ? Receipt.Take(receipt) : throw Errors.Take(error);
        }
    }

    private async Task<IReadOnlyList<SendResult>> SendAllAsync(
        List<MessageHandle> messages, IProgress<SendResult>? progress, CancellationToken token)
    {
        try
        {
            // None of these handles is seen elsewhere, and all live until the batch has ended.
            IntPtr[] pointers = messages.Select(message => message.DangerousGetHandle()).ToArray();
            if (pointers.Length == 0) return Array.Empty<SendResult>();
            return await new Batch(pointers.Length, progress).RunAsync(
                (IntPtr userData, out IntPtr error) => NativeMethods.everpost_mailer_send_all_start(
                    handle, pointers, (UIntPtr)(uint)pointers.Length, Callbacks.BatchEach, Callbacks.BatchDone, userData, out error),
                token).ConfigureAwait(false);
        }
        finally
        {
            messages.ForEach(message => message.Dispose());
        }
    }

    private static List<MessageHandle> Convert<T>(IEnumerable<T> messages, Func<T, MessageHandle> convert)
    {
        var natives = new List<MessageHandle>();
        try
        {
            foreach (T message in messages) natives.Add(convert(message));
            return natives;
        }
        catch
        {
            natives.ForEach(native => native.Dispose());
            throw;
        }
    }

    private static MessageHandle Convert(MailMessage message, Envelope? envelope)
    {
        if (message is null) throw new ArgumentNullException(nameof(message));
        byte[] bytes = MailMessageConverter.Convert(message);
        return Wrap(bytes, envelope ?? MailMessageConverter.EnvelopeOf(message));
    }

    /// <summary>What is left in a stream. Where that is in memory already, the library's copy is the only one.</summary>
    private static async Task<MessageHandle> ReadAsync(Stream stream, Envelope? envelope, CancellationToken token)
    {
        if (stream is MemoryStream memory && memory.TryGetBuffer(out ArraySegment<byte> whole))
        {
            int from = (int)Math.Min(memory.Position, whole.Count);
            MessageHandle message = Wrap(whole.AsSpan(from), envelope);
            memory.Position = memory.Length;
            return message;
        }
        // Room for all of it at once, where it is known how much that is.
        long left = stream.CanSeek ? Math.Max(0, stream.Length - stream.Position) : 0;
        using var buffer = new MemoryStream(checked((int)left));
        await stream.CopyToAsync(buffer, 81920, token).ConfigureAwait(false);
        return Wrap(buffer.GetBuffer().AsSpan(0, checked((int)buffer.Length)), envelope);
    }

    private static unsafe MessageHandle Wrap(ReadOnlySpan<byte> bytes, Envelope? envelope)
    {
        Library.Require();
        // One byte more where there are none: the library wants an address.
        ReadOnlySpan<byte> pinned = bytes.IsEmpty ? stackalloc byte[1] : bytes;
        int status;
        MessageHandle message;
        IntPtr error;
        fixed (byte* start = &MemoryMarshal.GetReference(pinned))
            status = NativeMethods.everpost_message_new(start, (UIntPtr)(uint)bytes.Length, out message, out error);
        if (status != 0) throw Errors.Take(error);
        return Enclose(message, envelope);
    }

    private static MessageHandle Enclose(MessageHandle message, Envelope? envelope)
    {
        if (envelope is null) return message;
        try
        {
            using EnvelopeHandle native = envelope.ToNative();
            Errors.Check(NativeMethods.everpost_message_set_envelope(message, native, out ErrorHandle error), error);
            return message;
        }
        catch
        {
            message.Dispose();
            throw;
        }
    }

    private string Text(Reader read)
    {
        Errors.Check(read(handle, out TextHandle text, out ErrorHandle error), error);
        using (text) return NativeMethods.everpost_text_view(text).Text;
    }
}
