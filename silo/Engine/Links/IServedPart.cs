namespace Loire.Engine.Links;

/// <summary>What answers the requests of one link. Its calls come from that link's thread alone.</summary>
internal interface IServedPart : IDisposable
{
    /// <param name="kind">What is asked.</param>
    /// <param name="request">As received, checked against its checksum only.</param>
    /// <param name="answer">Empty; to be filled.</param>
    /// <exception cref="FrameException">The payload makes no sense: the link is closed.</exception>
    /// <exception cref="PartLostException">Another part that this one needs is gone; the asking end is told.</exception>
    void Answer(FrameKind kind, PinnedBuffer request, PinnedBuffer answer);
}
