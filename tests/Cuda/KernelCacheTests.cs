namespace Loire.Cuda.Tests;

public sealed class KernelCacheTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("loire-kernels-");

    [Fact]
    public void The_key_is_the_same_for_the_same_and_another_when_anything_differs()
    {
        string[] options = ["--gpu-architecture=sm_90a", "--define-macro=X"];
        var key = KernelCache.KeyOf(Source(), options, "NVRTC 13.0", 13000);

        Assert.Equal(key, KernelCache.KeyOf(Source(), options, "NVRTC 13.0", 13000));
        string[] others =
        [
            KernelCache.KeyOf(Source(name: "Other.cu"), options, "NVRTC 13.0", 13000),
            KernelCache.KeyOf(Source(text: "void f() { }"), options, "NVRTC 13.0", 13000),
            KernelCache.KeyOf(Source(header: "int b;"), options, "NVRTC 13.0", 13000),
            KernelCache.KeyOf(Source(headerName: "B.h"), options, "NVRTC 13.0", 13000),
            KernelCache.KeyOf(Source(), ["--gpu-architecture=sm_80", "--define-macro=X"], "NVRTC 13.0", 13000),
            KernelCache.KeyOf(Source(), ["--gpu-architecture=sm_90a--define-macro=X"], "NVRTC 13.0", 13000),
            KernelCache.KeyOf(Source(), options, "NVRTC 13.1", 13000),
            KernelCache.KeyOf(Source(), options, "NVRTC 13.0", 12090),
        ];
        Assert.Equal(others.Length + 1, others.Append(key).Distinct().Count());
        Assert.StartsWith("Test-", key, StringComparison.Ordinal);
    }

    [Fact]
    public void What_is_written_is_read_and_nothing_else_lies_about()
    {
        var cache = new KernelCache(Path.Combine(_folder.FullName, "a", "b"));

        Assert.Null(cache.Read("x"));
        cache.Write("x", [1, 2, 3]);
        cache.Write("x", [4]);

        Assert.Equal([4], cache.Read("x"));
        Assert.Equal(["x.cubin"], Directory.GetFiles(cache.Folder).Select(Path.GetFileName));
    }

    [Fact]
    public void A_folder_that_cannot_be_made_is_no_error()
    {
        var file = Path.Combine(_folder.FullName, "file");
        File.WriteAllText(file, "");
        var cache = new KernelCache(Path.Combine(file, "below"));

        cache.Write("x", [1]);

        Assert.Null(cache.Read("x"));
    }

    [Fact]
    public void Options_name_the_architecture_first_and_each_define()
    {
        var options = new KernelCompiler(new KernelCache(_folder.FullName), "sm_90a").OptionsFor(Source());

        Assert.Equal("--gpu-architecture=sm_90a", options[0]);
        Assert.Contains("--define-macro=LOIRE_T_BF16", options);
    }

    public void Dispose() => _folder.Delete(recursive: true);

    private static KernelSource Source(string name = "Test.cu", string text = "void g() { }", string headerName = "A.h", string header = "int a;") =>
        new(name, text, new Dictionary<string, string> { [headerName] = header }, ["LOIRE_T_BF16"]);
}
