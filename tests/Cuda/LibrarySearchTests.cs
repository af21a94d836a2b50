namespace Loire.Cuda.Tests;

public sealed class LibrarySearchTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("loire-libraries-");

    [Fact]
    public void A_library_that_is_nowhere_is_named_with_the_folders_and_what_to_do()
    {
        var found = new LibrarySearch(["/one", "/two"], bySystem: false, named: 1).Load(["libnvrtc.so.13", "libnvrtc.so.12"]);

        Assert.Equal(0, found.Handle);
        Assert.StartsWith("libnvrtc.so.13 or libnvrtc.so.12 is missing.", found.Explanation, StringComparison.Ordinal);
        Assert.Contains("/one, /two", found.Explanation, StringComparison.Ordinal);
        Assert.Contains(CudaLibraries.Setting, found.Explanation, StringComparison.Ordinal);
    }

    [Fact]
    public void Of_a_missing_driver_it_is_said_that_the_driver_has_it()
    {
        var found = new LibrarySearch([], bySystem: false, named: 0).Load(["libcuda.so.1"]);

        Assert.Contains("NVIDIA driver", found.Explanation, StringComparison.Ordinal);
        Assert.Contains("no folder that exists", found.Explanation, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_no_library_is_passed_over_and_told()
    {
        var path = Path.Combine(_folder.FullName, "libnvrtc.so.13");
        File.WriteAllText(path, "not a library");

        var found = new LibrarySearch([_folder.FullName], bySystem: false, named: 0).Load(["libnvrtc.so.13"]);

        Assert.Equal(0, found.Handle);
        Assert.Contains($"{path} does not load", found.Explanation, StringComparison.Ordinal);
    }

    [Fact]
    public void The_probe_never_throws_and_gives_a_reason_for_what_cannot_be_used()
    {
        var probe = CudaDriver.Probe();

        Assert.Equal(probe.IsUsable, probe.Reason.Length == 0);
        if (!probe.IsUsable)
        {
            Assert.Equal(probe.Reason, Assert.Throws<CudaMissingException>(() => CudaDevice.Open(0)).Message);
        }
    }

    public void Dispose() => _folder.Delete(recursive: true);
}
