namespace Loire.Silo.Models;

/// <summary>How far a replica is with loading.</summary>
/// <param name="Replica">Its key.</param>
/// <param name="Part">What is being loaded, for example <c>stage 0</c>.</param>
/// <param name="Fraction">Of the whole replica, 0 to 1.</param>
public sealed record LoadStep(string Replica, string Part, double Fraction);
