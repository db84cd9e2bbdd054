using System.Runtime.CompilerServices;

[assembly: InternalsVisibleTo("Everpost.Tests")]
