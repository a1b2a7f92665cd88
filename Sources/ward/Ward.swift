@main
struct Ward {
    static func main() {}
}
