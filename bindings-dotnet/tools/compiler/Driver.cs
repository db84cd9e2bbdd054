// A command line for Roslyn: what csc does of it, as far as these sources need.
using System;
using System.Collections.Generic;
using System.IO;
using System.Text;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Emit;
using Microsoft.CodeAnalysis.Text;

static class Driver
{
    const string RuntimeConfig =
        "{ \"runtimeOptions\": { \"framework\": { \"name\": \"Microsoft.NETCore.App\", \"version\": \"3.1.0\" },"
        + " \"configProperties\": { \"System.Globalization.Invariant\": true } } }";

    static int Main(string[] arguments)
    {
        string folder = Directory.GetCurrentDirectory();
        CSharpCommandLineArguments parsed = CSharpCommandLineParser.Default.Parse(arguments, folder, null, null);
        if (Report(parsed.Errors)) return 1;

        var trees = new List<SyntaxTree>();
        foreach (CommandLineSourceFile file in parsed.SourceFiles)
        {
            SourceText text = SourceText.From(File.ReadAllText(file.Path), Encoding.UTF8);
            trees.Add(CSharpSyntaxTree.ParseText(text, parsed.ParseOptions, file.Path));
        }
        var references = new List<MetadataReference>();
        foreach (CommandLineReference reference in parsed.MetadataReferences)
            references.Add(MetadataReference.CreateFromFile(Path.Combine(folder, reference.Reference), reference.Properties));

        string output = parsed.OutputFileName;
        string name = Path.GetFileNameWithoutExtension(output);
        var compilation = CSharpCompilation.Create(parsed.CompilationName ?? name, trees, references, parsed.CompilationOptions);
        var image = new MemoryStream();
        EmitResult result;
        using (FileStream docs = parsed.DocumentationPath == null ? null : File.Create(parsed.DocumentationPath))
        {
            EmitOptions options = parsed.EmitOptions.WithDebugInformationFormat(DebugInformationFormat.Embedded);
            result = compilation.Emit(image, null, docs, null, null, options);
        }
        if (Report(result.Diagnostics) || !result.Success) return 1;

        File.WriteAllBytes(Path.Combine(parsed.OutputDirectory, output), image.ToArray());
        if (parsed.CompilationOptions.OutputKind == OutputKind.ConsoleApplication)
            File.WriteAllText(Path.Combine(parsed.OutputDirectory, name + ".runtimeconfig.json"), RuntimeConfig);
        return 0;
    }

    /// Prints what is a warning or worse, and tells whether any is an error.
    static bool Report(IEnumerable<Diagnostic> diagnostics)
    {
        bool failed = false;
        foreach (Diagnostic diagnostic in diagnostics)
        {
            if (diagnostic.IsSuppressed || diagnostic.Severity < DiagnosticSeverity.Warning) continue;
            Console.Error.WriteLine(diagnostic);
            failed |= diagnostic.Severity == DiagnosticSeverity.Error;
        }
        return failed;
    }
}
