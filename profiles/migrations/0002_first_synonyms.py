from django.db import migrations

#: Search phrases, and the words and domains that they also find. Admins can edit these rows later.
SYNONYMS = [
    # Domains
    (["mobile app", "phone app", "smartphone app", "mobile"], [], ["mobile"]),
    (["ios", "iphone", "ipad", "apple"], ["Swift", "SwiftUI", "Objective-C"], []),
    (["android"], ["Kotlin", "Jetpack Compose"], []),
    (["cross platform", "hybrid app"], ["React Native", "Flutter", "Ionic", "MAUI"], ["mobile"]),
    (["web app", "website", "web site", "webpage", "homepage", "web developer", "web development", "web"], [], ["web"]),
    (["landing page", "static site"], ["Astro", "Next.js", "Webflow"], ["web"]),
    (["ecommerce", "online shop", "online store", "web shop", "web store"], ["Saleor", "Shopify", "WooCommerce", "shop"], ["commerce"]),
    (["shop", "store", "retail", "selling", "sell"], [], ["commerce"]),
    (["shopify", "woocommerce", "magento", "prestashop", "bigcommerce"], ["Saleor"], ["commerce"]),
    (["marketplace"], [], ["commerce"]),
    (["ai", "artificial intelligence", "machine learning", "ml", "deep learning"], ["PyTorch"], ["ai"]),
    (["chatbot", "chat bot", "llm", "gpt", "chatgpt", "openai", "language model"], ["RAG", "NLP"], ["ai"]),
    (["nlp", "natural language"], ["language models"], ["ai"]),
    (["voice", "speech", "voice recognition", "voice assistant", "transcription"], ["Speech recognition", "Whisper"], []),
    (["computer vision", "image recognition"], ["OpenCV", "On-device models"], ["ai"]),
    (["data", "data analyst", "data engineer", "data scientist", "analytics", "business intelligence", "bi"], [], ["data"]),
    (["dashboard", "chart", "report", "reporting"], ["Grafana", "Metabase", "D3"], ["data"]),
    (["data visualisation", "data visualization", "infographic"], ["D3", "Metabase"], ["data"]),
    (["map", "mapping", "gis", "geolocation"], ["MapLibre", "PostGIS", "QGIS", "maps"], []),
    (["automation", "automate", "automated", "workflow", "integration", "integrate", "connect"], ["n8n", "Webhooks"], ["automation"]),
    (["zapier", "make.com", "ifttt"], ["n8n", "Webhooks"], ["automation"]),
    (["design", "designer", "ux", "ui", "user experience", "user interface"], ["Figma"], ["design"]),
    (["prototype", "wireframe", "mockup"], ["Prototyping", "Figma"], ["design"]),
    (["mvp", "first version", "startup", "founder"], ["First versions", "Prototyping", "founder"], []),
    (["intranet", "internal tool", "back office", "admin panel", "spreadsheet", "excel"], ["spreadsheet"], ["internal"]),
    (["crm", "sales", "erp", "inventory", "warehouse", "stock"], ["warehouse", "logistics"], ["internal"]),
    (["health", "healthcare", "medical", "medicine", "clinic", "doctor", "hospital", "patient", "physiotherapy"], [], ["health"]),
    (["dentist", "therapy", "therapist", "wellness", "fitness"], [], ["health"]),
    (["education", "school", "teacher", "student", "university", "elearning", "edtech", "course"], ["Moodle"], ["education"]),
    (["finance", "fintech", "banking", "bank", "wallet", "insurance"], ["ledgers"], ["finance"]),
    (["accounting", "accountant", "bookkeeping", "invoice", "invoicing", "ledger", "billing"], ["ledgers"], ["finance"]),
    (["payment", "checkout"], ["payments", "Stripe", "PayPal", "pagamentos"], []),
    (["stripe", "paypal"], ["payment gateways"], []),
    (["community", "forum", "social network", "membership", "association", "charity", "nonprofit", "ngo"], [], ["community"]),
    (["volunteer", "club"], ["volunteers"], ["community"]),
    (["news", "newspaper", "magazine", "blog", "media", "podcast"], [], ["community"]),
    # Industries
    (["museum", "theatre", "theater", "ticketing", "ticket", "concert", "venue"], ["musées", "théâtres", "billetterie"], []),
    (["hotel", "hostel", "guest house", "holiday rental", "hospitality"], ["ξενοδοχεία", "Channel managers"], []),
    (["tourism", "travel", "trip"], ["ท่องเที่ยว"], []),
    (["booking", "reservation", "appointment", "queue"], ["予約システム", "Calendars", "Channel managers", "réservation"], []),
    (["rota", "roster", "shift planning", "schedule", "scheduling", "calendar"], ["Calendars", "rota", "schedules"], []),
    (["agriculture", "farm", "farmer", "farming", "coffee"], ["cooperativas", "Agricultura familiar"], []),
    (["forest", "forestry", "field work", "survey"], ["foresters", "field apps"], []),
    (["factory", "manufacturing", "production", "industry"], ["Shop-floor data", "workshops"], []),
    (["restaurant", "cafe", "bakery", "food", "catering", "delivery"], ["restaurants", "bakeries"], []),
    (["logistics", "transport", "shipping", "haulage", "freight"], ["Logistics", "warehouse"], []),
    (["wine", "winery"], ["მეღვინეებისთვის"], []),
    # Platforms and skills
    (["wordpress", "drupal", "joomla", "cms"], ["PHP"], []),
    (["php"], ["Laravel", "Symfony"], []),
    (["javascript", "js", "frontend", "front end"], ["TypeScript", "React", "Vue", "Svelte"], []),
    (["reactjs"], ["React"], []),
    (["react native"], ["React Native"], []),
    (["vuejs"], ["Vue"], []),
    (["angular", "angularjs"], ["TypeScript"], []),
    (["python framework"], ["Django", "Flask", "FastAPI"], []),
    (["ruby", "ruby on rails", "ror"], ["Rails"], []),
    (["golang"], ["Go"], []),
    (["dotnet", "net core", "csharp"], ["C#", "ASP.NET"], []),
    (["cpp", "cplusplus"], ["C++"], []),
    (["spring boot"], ["Java", "Spring"], []),
    (["postgres", "postgresql", "database", "sql"], ["PostgreSQL", "MySQL", "SQLite"], []),
    (["performance", "slow", "speed", "optimisation", "optimization"], ["Query tuning", "Slow queries"], []),
    (["backend", "back end", "server", "api"], ["back ends", "REST APIs"], []),
    (["devops", "cloud", "aws", "azure", "kubernetes", "k8s", "docker", "hosting"], ["Kubernetes"], []),
    (["security", "penetration test", "pentest"], ["Threat modelling", "Privacy reviews"], []),
    (["iot", "internet of things", "sensor", "embedded", "firmware", "hardware"], ["MQTT", "Raspberry Pi", "Sensors", "Arduino"], []),
    (["offline", "off line"], ["Offline sync", "PWA"], []),
    (["accessible", "accessibility", "a11y", "wcag"], ["Accessibility", "Accessibilité", "アクセシビリティ"], []),
    (["adhd", "adhd friendly", "neurodivergent", "neurodiverse"], ["Neurodivergent users"], []),
    (["seo", "search engine optimisation", "search engine optimization"], ["SEO"], []),
    (["testing", "qa", "quality assurance"], ["Playwright", "Usability tests"], []),
    (["copywriting", "copywriter", "content writer"], ["Content design", "UX 라이팅"], []),
    (["sms", "ussd", "text message"], ["SMS", "Twilio", "USSD"], []),
    (["wechat", "mini program"], ["微信小程序"], []),
    (["arabic", "right to left", "rtl"], ["Arabic interfaces", "واجهات عربية"], []),
]


def create_synonyms(apps, schema_editor):
    synonyms = apps.get_model("profiles", "SearchSynonym").objects
    if not synonyms.exists():
        synonyms.bulk_create(
            synonyms.model(searches=searches, finds=finds, domains=domains) for searches, finds, domains in SYNONYMS
        )


class Migration(migrations.Migration):

    dependencies = [
        ("profiles", "0001_initial"),
    ]

    operations = [
        migrations.RunPython(create_synonyms, migrations.RunPython.noop),
    ]
