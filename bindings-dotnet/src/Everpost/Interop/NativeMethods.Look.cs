using System;
using System.Runtime.InteropServices;

namespace Everpost.Interop;

/// <content>The functions of <c>everpost.h</c> that look at servers and certificates.</content>
internal static unsafe partial class NativeMethods
{
    // Explaining.
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_mailer_explain(MailerHandle mailer, IntPtr file, out ReportHandle report, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern ulong everpost_mailer_explain_start(MailerHandle mailer, IntPtr file, IntPtr done, IntPtr userData, out IntPtr error);

    // Reports.
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_report_status(ReportHandle report);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_report_summary(ReportHandle report);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_report_cause(ReportHandle report);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_report_remedy(ReportHandle report);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_report_fault(ReportHandle report);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern UIntPtr everpost_report_finding_count(ReportHandle report);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_report_finding_id(ReportHandle report, UIntPtr index);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_report_finding_axis(ReportHandle report, UIntPtr index);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_report_finding_severity(ReportHandle report, UIntPtr index);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_report_finding_message(ReportHandle report, UIntPtr index);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_report_finding_remedy(ReportHandle report, UIntPtr index);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern UIntPtr everpost_report_rung_count(ReportHandle report);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_report_rung_step(ReportHandle report, UIntPtr index);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_report_rung_outcome(ReportHandle report, UIntPtr index);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_report_rung_detail(ReportHandle report, UIntPtr index);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern ulong everpost_report_rung_elapsed_ms(ReportHandle report, UIntPtr index);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern UIntPtr everpost_report_certificate_count(ReportHandle report);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern IntPtr everpost_report_certificate(ReportHandle report, UIntPtr index);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_report_json(ReportHandle report);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern void everpost_report_free(IntPtr report);

    // Probing.
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_probe_new(out ProbeHandle probe, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_probe_set(ProbeHandle probe, byte[] key, UIntPtr keyLength, byte[] value, UIntPtr valueLength, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_probe_trust_pem(ProbeHandle probe, byte[] pem, UIntPtr length, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_probe_compare(ProbeHandle probe, CertificateFileHandle file, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_probe_run(ProbeHandle probe, byte[] target, UIntPtr length, out ReportHandle report, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern ulong everpost_probe_run_start(ProbeHandle probe, byte[] target, UIntPtr length, IntPtr done, IntPtr userData, out IntPtr error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern void everpost_probe_free(IntPtr probe);

    // Diagnosing.
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_diagnosis_new(ConfigHandle config, out DiagnosisHandle diagnosis, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_diagnosis_set(DiagnosisHandle diagnosis, byte[] key, UIntPtr keyLength, byte[] value, UIntPtr valueLength, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_diagnosis_run(DiagnosisHandle diagnosis, out ReportHandle report, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern ulong everpost_diagnosis_run_start(DiagnosisHandle diagnosis, IntPtr done, IntPtr userData, out IntPtr error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern void everpost_diagnosis_free(IntPtr diagnosis);

    // Certificate files.
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_certificate_file_load(byte[] path, UIntPtr pathLength, byte[]? password, UIntPtr passwordLength, out CertificateFileHandle file, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_certificate_file_parse(byte[] bytes, UIntPtr length, byte[]? password, UIntPtr passwordLength, out CertificateFileHandle file, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern UIntPtr everpost_certificate_file_count(CertificateFileHandle file);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern IntPtr everpost_certificate_file_certificate(CertificateFileHandle file, UIntPtr index);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_certificate_file_key_matches(CertificateFileHandle file);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern byte everpost_certificate_file_has_key(CertificateFileHandle file);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_certificate_file_format(CertificateFileHandle file);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_certificate_file_judge(CertificateFileHandle file, byte[] host, UIntPtr hostLength, long at, byte[]? trust, UIntPtr trustLength, out ReportHandle report, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_certificate_file_to_pem(CertificateFileHandle file, byte withKey, out TextHandle text, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern int everpost_certificate_file_to_pfx(CertificateFileHandle file, byte[] password, UIntPtr passwordLength, byte legacy, out TextHandle text, out ErrorHandle error);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern void everpost_certificate_file_free(IntPtr file);

    // Certificates, borrowed from the report or file they are in.
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_certificate_subject(IntPtr certificate);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_certificate_issuer(IntPtr certificate);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_certificate_serial(IntPtr certificate);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern long everpost_certificate_not_before(IntPtr certificate);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern long everpost_certificate_not_after(IntPtr certificate);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_certificate_key_algorithm(IntPtr certificate);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern uint everpost_certificate_key_bits(IntPtr certificate);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_certificate_signature_algorithm(IntPtr certificate);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_certificate_fingerprint(IntPtr certificate);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_certificate_spki_pin(IntPtr certificate);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern UIntPtr everpost_certificate_dns_name_count(IntPtr certificate);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_certificate_dns_name(IntPtr certificate, UIntPtr index);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern byte everpost_certificate_is_ca(IntPtr certificate);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_certificate_der(IntPtr certificate);
    [DllImport(LibraryName, CallingConvention = C)] internal static extern NativeString everpost_certificate_json(IntPtr certificate);
}
