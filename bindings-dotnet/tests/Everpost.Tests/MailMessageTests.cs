using System;
using System.IO;
using System.Linq;
using System.Net.Mail;
using System.Net.Mime;
using System.Text;
using System.Threading.Tasks;
using Everpost.Mail;
using Xunit;

namespace Everpost.Tests;

[Collection("library")]
public sealed class MailMessageTests
{
    private const string Long = "Überraschung: 寿司 und 🎉 für alle, die diese sehr lange Zeile bis zu ihrem Ende lesen mögen";

    [Fact]
    public async Task Everything_in_a_mail_message_arrives()
    {
        using var server = new Rehearsal();
        using Mailer mailer = server.Mailer();
        byte[] picture = Enumerable.Range(0, 1000).Select(index => (byte)index).ToArray();
        using var message = new MailMessage
        {
            From = new MailAddress("app@example.org", "Jürgen Müller"),
            Sender = new MailAddress("robot@example.org"),
            Subject = Long,
            Body = "Grüße\n.\nFrom here = and on \n",
            Priority = MailPriority.High,
        };
        message.To.Add(new MailAddress("ann@example.com", "Smith, \"Ann\""));
        message.CC.Add("carol@example.com");
        message.Bcc.Add("hidden@example.com");
        message.ReplyToList.Add(new MailAddress("one@example.org", "寿司"));
        message.ReplyToList.Add("two@example.org");
        message.Headers.Add("X-Campaign", "été");
        message.Headers.Add("X-Priority", "3");
        AlternateView html = AlternateView.CreateAlternateViewFromString("<img src=\"cid:logo\">é", Encoding.UTF8, "text/html");
        html.LinkedResources.Add(new LinkedResource(new MemoryStream(picture), "image/png") { ContentId = "logo" });
        message.AlternateViews.Add(html);
        message.Attachments.Add(new Attachment(new MemoryStream(picture), "Prüfbericht für das Jahr 2026 mit einem sehr langen Namen.pdf", "application/pdf"));
        message.Attachments.Add(Attachment.CreateAttachmentFromString("a,b\r\n1,2\r\n", "list.csv", new UTF8Encoding(false), "text/csv"));

        Receipt receipt = await mailer.SendAsync(message);

        Assert.Equal(new[] { "ann@example.com", "carol@example.com", "hidden@example.com" }, receipt.Accepted.OrderBy(address => address));
        string body = Assert.Single(server.Bodies());
        Assert.DoesNotContain("hidden@", body);
        var mime = new Mime(body);
        Assert.Equal("Jürgen Müller <app@example.org>", mime.Field("From"));
        Assert.Equal("robot@example.org", mime.Field("Sender"));
        Assert.Equal("\"Smith, \\\"Ann\\\"\" <ann@example.com>", mime.Field("To"));
        Assert.Equal("carol@example.com", mime.Field("Cc"));
        Assert.Equal("寿司 <one@example.org>, two@example.org", mime.Field("Reply-To"));
        Assert.Equal(Long, mime.Field("Subject"));
        Assert.Equal("été", mime.Field("X-Campaign"));
        Assert.Equal("1", Assert.Single(mime.All("X-Priority")));
        Assert.Equal("high", mime.Field("Importance"));
        Assert.Equal(receipt.MessageId, mime.Field("Message-ID"));

        Assert.Equal("multipart/mixed", mime.Type);
        Mime alternative = mime.Parts[0];
        Assert.Equal("multipart/alternative", alternative.Type);
        Assert.Equal("text/plain", alternative.Parts[0].Type);
        Assert.Equal("Grüße\r\n.\r\nFrom here = and on \r\n", alternative.Parts[0].Text);
        Mime related = alternative.Parts[1];
        Assert.Equal("multipart/related", related.Type);
        Assert.Equal("text/html", related.Parameter("Content-Type", "type"));
        Assert.Equal("<img src=\"cid:logo\">é", related.Parts[0].Text.TrimEnd());
        Assert.Equal("<logo>", related.Parts[1].Field("Content-ID"));
        Assert.Equal(picture, related.Parts[1].Bytes);
        Assert.Equal("Prüfbericht für das Jahr 2026 mit einem sehr langen Namen.pdf", mime.Parts[1].Parameter("Content-Disposition", "filename"));
        Assert.StartsWith("attachment", mime.Parts[1].Field("Content-Disposition"));
        Assert.Equal(picture, mime.Parts[1].Bytes);
        Assert.Equal("list.csv", mime.Parts[2].Parameter("Content-Disposition", "filename"));
        Assert.Equal("a,b\r\n1,2\r\n", mime.Parts[2].Text);
    }

    [Fact]
    public void A_message_converts_twice_to_the_same_content()
    {
        using var message = new MailMessage("a@example.org", "b@example.org", "s", "text");
        message.Attachments.Add(new Attachment(new MemoryStream(new byte[] { 1, 2, 3 }), "x.bin"));
        foreach (int _ in new[] { 1, 2 })
            Assert.Equal(new byte[] { 1, 2, 3 }, new Mime(Text(message)).Parts[1].Bytes);
    }

    [Theory]
    [InlineData(TransferEncoding.Base64)]
    [InlineData(TransferEncoding.QuotedPrintable)]
    [InlineData(TransferEncoding.SevenBit)]
    [InlineData(TransferEncoding.EightBit)]
    public void A_body_reads_the_same_in_every_transfer_encoding(TransferEncoding encoding)
    {
        string[] texts = { "", "plain", "é", "trailing \t\r\n \r\n", new string('x', 3000), new string('é', 999), "=3D=\r\n.\r\n..\r\n", "a\nb\rc" };
        foreach (string text in texts)
        {
            // By a view: Mono has no transfer encoding of the body.
            using var message = new MailMessage("a@example.org", "b@example.org", "s", "");
            AlternateView view = AlternateView.CreateAlternateViewFromString(text, Encoding.UTF8, "text/plain");
            view.TransferEncoding = encoding;
            message.AlternateViews.Add(view);
            string expected = text.Replace("\r\n", "\n").Replace('\r', '\n'), read = new Mime(Text(message)).Text.Replace("\r\n", "\n").Replace('\r', '\n');
            Assert.Equal(expected.TrimEnd('\n'), read.TrimEnd('\n'));
        }
    }

    [Theory]
    [InlineData("iso-8859-1", "Grüße")]
    [InlineData("utf-16", "寿司")]
    [InlineData("us-ascii", "not ASCII: é")]
    public void A_text_keeps_its_characters_in_the_encoding_it_was_given(string name, string text)
    {
        Encoding encoding = Encoding.GetEncoding(name);
        using var message = new MailMessage("a@example.org", "b@example.org", text, "x") { SubjectEncoding = encoding };
        Assert.Equal(text, new Mime(Text(message)).Field("Subject"));
        if (name == "us-ascii") return;
        message.BodyEncoding = encoding;
        message.Body = text;
        Assert.Equal(text, new Mime(Text(message)).Text.TrimEnd());
    }

    [Fact]
    public void No_value_can_smuggle_a_header()
    {
        using var message = new MailMessage("a@example.org", "b@example.org", "s", "x");
        foreach (string value in new[] { "a\r\nBcc: eve@example.org", "a\nBcc: eve@example.org", "a\rb", "a\0b" })
        {
            try
            {
                message.Headers["X-Value"] = value;
            }
            catch (ArgumentException)
            {
                continue; // This runtime does not even take it.
            }
            Assert.Equal(EverpostErrorKind.InvalidMessage, Assert.Throws<EverpostMessageException>(() => MailMessageConverter.Convert(message)).Kind);
        }
    }

    [Fact]
    public void A_domain_beyond_ascii_goes_as_dns_has_it_and_headers_stay_in_bounds()
    {
        using var message = new MailMessage("a@bücher.example", "b@example.org") { Subject = new string('s', 2000) };
        for (int index = 0; index < 100; index++) message.To.Add($"someone.{index}@example.org");
        string text = Text(message);
        Assert.Equal("a@xn--bcher-kva.example", new Mime(text).Field("From"));
        Assert.Equal(2000, new Mime(text).Field("Subject")!.Length);
        Assert.True(text.Split('\n').All(line => line.Length <= 80), "a long line");
        Assert.Equal("a@xn--bcher-kva.example", MailMessageConverter.EnvelopeOf(message).From);
        Assert.Equal(101, MailMessageConverter.EnvelopeOf(message).Recipients.Count);
    }

    [Fact]
    public void Notifications_become_part_of_the_envelope()
    {
        using var message = new MailMessage("a@example.org", "b@example.org")
        {
            DeliveryNotificationOptions = DeliveryNotificationOptions.OnFailure | DeliveryNotificationOptions.Delay,
        };
        Assert.Equal(DeliveryNotifications.Failure | DeliveryNotifications.Delay, MailMessageConverter.EnvelopeOf(message).Notify);
        message.DeliveryNotificationOptions = DeliveryNotificationOptions.Never;
        Assert.Equal(DeliveryNotifications.Never, MailMessageConverter.EnvelopeOf(message).Notify);
    }

    private static string Text(MailMessage message) => Encoding.UTF8.GetString(MailMessageConverter.Convert(message));
}
